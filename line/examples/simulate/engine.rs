//! Simulated time: tasks that sleep, woken one after the other in the order of their moments.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The world's clock (milliseconds) and its tasks.
#[derive(Clone, Default)]
pub struct Engine(Rc<Inner>);

#[derive(Default)]
struct Inner {
    now: Cell<i64>,
    count: Cell<u64>,
    current: Cell<usize>,
    due: RefCell<BinaryHeap<Reverse<(i64, u64, usize)>>>,
    new: RefCell<Vec<(usize, Task)>>,
    tasks: Cell<usize>,
}

impl Engine {
    pub fn now(&self) -> i64 {
        self.0.now.get()
    }

    fn wake_at(&self, at: i64, task: usize) {
        let count = self.0.count.get();
        self.0.count.set(count + 1);
        self.0.due.borrow_mut().push(Reverse((at, count, task)));
    }

    pub fn spawn(&self, at: i64, future: impl Future<Output = ()> + 'static) {
        let task = self.0.tasks.get();
        self.0.tasks.set(task + 1);
        self.0.new.borrow_mut().push((task, Box::pin(future)));
        self.wake_at(at, task);
    }

    pub async fn sleep(&self, milliseconds: i64) {
        self.sleep_until(self.now() + milliseconds).await;
    }

    pub async fn sleep_until(&self, at: i64) {
        let mut is_set = false;
        std::future::poll_fn(|_| {
            if self.now() >= at {
                return Poll::Ready(());
            }
            if !is_set {
                is_set = true;
                self.wake_at(at, self.0.current.get());
            }
            Poll::Pending
        })
        .await;
    }

    /// Runs until nothing is left to do, or until `end`.
    pub fn run(&self, end: i64) {
        let mut tasks: Vec<Option<Task>> = Vec::new();
        loop {
            let Some(Reverse((at, _, task))) = self.0.due.borrow_mut().pop() else { return };
            if at > end {
                return;
            }
            for (number, new) in self.0.new.borrow_mut().drain(..) {
                tasks.resize_with(tasks.len().max(number + 1), || None);
                tasks[number] = Some(new);
            }
            self.0.now.set(at.max(self.now()));
            self.0.current.set(task);
            let Some(mut running) = tasks[task].take() else { continue };
            if running.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                tasks[task] = Some(running);
            }
        }
    }
}

/// Two things at once.
pub async fn join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut of_a, mut of_b) = (None, None);
    std::future::poll_fn(|context| {
        if of_a.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(context)
        {
            of_a = Some(value);
        }
        if of_b.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(context)
        {
            of_b = Some(value);
        }
        if of_a.is_some() && of_b.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (of_a.expect("both are ready"), of_b.expect("both are ready"))
}

//! Perfect queueing: the same clicks and the same buckets, if everybody stood in one line for each
//! kind of call, every call were made the moment it is let through, and none in vain.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::scenario::{Click, Rate, Scenario};

#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    rate: Rate,
    tokens: f64,
    filled: f64,
}

impl Bucket {
    pub fn new(rate: Rate) -> Self {
        Self { rate, tokens: rate.burst, filled: 0.0 }
    }

    /// Whether a call is let through at `now`, milliseconds.
    pub fn take(&mut self, now: i64) -> bool {
        self.fill(now as f64 / 1e3);
        let through = self.tokens >= 1.0;
        if through {
            self.tokens -= 1.0;
        }
        through
    }

    fn fill(&mut self, now: f64) {
        let gained = (now - self.filled).max(0.0) * self.rate.per_second;
        self.tokens = (self.tokens + gained).min(self.rate.burst);
        self.filled = self.filled.max(now);
    }

    /// When a call is let through that comes at `at`, seconds; calls come in the order of time.
    fn admit(&mut self, at: f64) -> f64 {
        let mut now = at.max(self.filled);
        self.fill(now);
        if self.tokens < 1.0 {
            now += (1.0 - self.tokens) / self.rate.per_second;
            self.fill(now);
            self.tokens = self.tokens.max(1.0);
        }
        self.tokens -= 1.0;
        now
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Step {
    Assume,
    Look,
    Create,
    Prepare,
    LookAgain,
    Presign,
    Done,
}

/// The seconds that each click takes, but for the work itself. `profiles`: how long each person's takes.
pub fn perfect(scenario: &Scenario, clicks: &[Click], profiles: &[f64]) -> Vec<f64> {
    let mut buckets: HashMap<(Step, usize), Bucket> = HashMap::new();
    let mut ready: HashMap<usize, f64> = HashMap::new();
    let mut taken = vec![0.0; clicks.len()];
    let mut events = BinaryHeap::new();
    let order = |at: f64| (at * 1e6) as i64;
    for (number, click) in clicks.iter().enumerate() {
        let first = if click.second_tab { Step::Presign } else { Step::Assume };
        let at = click.at as f64 / 1e3;
        events.push(Reverse((order(at), number, first, at.to_bits())));
    }
    while let Some(Reverse((_, number, step, now))) = events.pop() {
        let (click, now) = (&clicks[number], f64::from_bits(now));
        let mut admit = |step: Step, rate: Rate| {
            let account = if step == Step::Assume { 0 } else { click.account };
            buckets.entry((step, account)).or_insert_with(|| Bucket::new(rate)).admit(now)
        };
        let (then, next) = match step {
            Step::Assume => (admit(Step::Assume, scenario.assume), Step::Look),
            Step::Look => (
                admit(Step::Look, scenario.describe),
                if click.new { Step::Create } else { Step::Presign },
            ),
            Step::Create => (admit(Step::Create, scenario.create), Step::Prepare),
            Step::Prepare => {
                let then = now + profiles[click.person];
                ready.insert(click.person, then);
                (then, Step::LookAgain)
            }
            Step::LookAgain => (admit(Step::Look, scenario.describe), Step::Presign),
            Step::Presign => {
                // The second tab of a first sign-in waits for the profile that the first one makes.
                let made = ready.get(&click.person).copied().unwrap_or(now + 0.1);
                if click.second_tab && click.new && now < made {
                    (made, Step::Presign)
                } else {
                    (admit(Step::Presign, scenario.presign), Step::Done)
                }
            }
            Step::Done => {
                taken[number] = now - click.at as f64 / 1e3;
                continue;
            }
        };
        events.push(Reverse((order(then), number, next, then.to_bits())));
    }
    taken
}

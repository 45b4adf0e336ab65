//! Ctrl-C while something is written: what is under way is finished, nothing further is begun, and what was
//! done is told. A second one ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Exit;
use super::output::{Code, Failure, say};
use super::serve::stopped;

/// Whether somebody asked to stop.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    pub(super) fn listen() -> Self {
        let interrupt = Self::default();
        let asked = Arc::clone(&interrupt.0);
        let first = stopped();
        tokio::spawn(async move {
            first.await;
            asked.store(true, Ordering::SeqCst);
            say("interrupted: what is under way is finished first; once more ends at once");
            stopped().await;
            std::process::exit(Exit::Failed as i32);
        });
        interrupt
    }

    /// Whether nothing further may be begun.
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Ends as soon as somebody asks.
    pub(super) async fn asked(&self) {
        while !self.is_asked() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

/// The failure of a command that was interrupted.
pub(super) fn interrupted(message: impl Into<String>) -> Failure {
    Failure::new(Exit::Failed, message).code(Code::Interrupted)
}

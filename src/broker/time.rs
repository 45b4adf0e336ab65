//! The time of one request: one moment for all that is decided, and what is left for the answer.

use std::time::Duration;

use fair_line::Millis;
use jiff::Timestamp;
use tokio::time::Instant;

/// A person waits two seconds at most; the answer still has to be written.
pub const PATIENCE: Duration = Duration::from_millis(1_800);

/// The time of one request.
#[derive(Debug, Clone, Copy)]
pub struct RequestTime {
    /// The moment by which everything is decided: when the request came.
    pub now: Timestamp,
    /// When the answer is due.
    pub deadline: Instant,
}

impl RequestTime {
    /// Of a request that came at `now`, [`PATIENCE`] before the deadline.
    pub fn new(now: Timestamp, deadline: Instant) -> Self {
        Self { now, deadline }
    }

    /// What is left until the deadline, nothing once it has passed.
    pub fn left(&self) -> Duration {
        time_left(self.deadline)
    }

    /// The moment that has come meanwhile, in milliseconds since the epoch by this machine's clock.
    pub fn millis(&self) -> Millis {
        let late = clock().saturating_duration_since(self.deadline);
        let since = PATIENCE.saturating_sub(self.left()) + late;
        let since = Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX);
        self.now.as_millisecond().saturating_add(since)
    }
}

/// What is left until `deadline`, nothing once it has passed.
pub fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(clock())
}

#[expect(clippy::disallowed_methods, reason = "a deadline can only be compared with the clock")]
fn clock() -> Instant {
    Instant::now()
}

//! The asynchronous life of a resource of `SageMaker`: from `Pending` to `InService`, and on to its end.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::local::aws::control::fault::Settle;

/// Where a resource stands in its asynchronous life: in `phase` until `settles`, then at `end`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Life {
    created: Timestamp,
    changed: Timestamp,
    phase: Phase,
    settles: Timestamp,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Pending,
    Updating,
    Deleting,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    Status { status: String, reason: Option<String> },
    Gone,
}

impl Life {
    /// A new resource: `Pending` for `delay_ms`, then `InService`, or as ordered.
    pub(super) fn begin(now: Timestamp, delay_ms: u64, settle: Option<&Settle>) -> Self {
        let end = End::Status { status: "InService".into(), reason: None };
        let life = Self { created: now, changed: now, phase: Phase::Pending, settles: now, end };
        life.entering(Phase::Pending, now, delay_ms, settle)
    }

    /// The same resource, `Updating` for `delay_ms`.
    pub(super) fn update(&mut self, now: Timestamp, delay_ms: u64, settle: Option<&Settle>) {
        self.end = End::Status { status: "InService".into(), reason: None };
        *self = self.clone().entering(Phase::Updating, now, delay_ms, settle);
    }

    /// The same resource, `Deleting` for `delay_ms`, then gone unless ordered otherwise.
    pub(super) fn delete(&mut self, now: Timestamp, delay_ms: u64, settle: Option<&Settle>) {
        self.end = End::Gone;
        *self = self.clone().entering(Phase::Deleting, now, delay_ms, settle);
    }

    /// Ends in `Failed` with this reason instead.
    pub(super) fn failing(mut self, reason: &str) -> Self {
        self.end = End::Status { status: "Failed".into(), reason: Some(reason.into()) };
        self
    }

    fn entering(
        mut self,
        phase: Phase,
        now: Timestamp,
        delay_ms: u64,
        settle: Option<&Settle>,
    ) -> Self {
        let delay_ms = settle.and_then(|s| s.ms).unwrap_or(delay_ms);
        if let Some(status) = settle.and_then(|s| s.status.clone()) {
            self.end = End::Status { status, reason: settle.and_then(|s| s.reason.clone()) };
        }
        let delay = SignedDuration::from_millis(i64::try_from(delay_ms).unwrap_or(i64::MAX));
        self.settles = now.checked_add(delay).unwrap_or(Timestamp::MAX);
        self.changed = now;
        self.phase = phase;
        self
    }

    pub(super) fn status(&self, now: Timestamp) -> &str {
        if self.is_changing(now) {
            return match self.phase {
                Phase::Pending => "Pending",
                Phase::Updating => "Updating",
                Phase::Deleting => "Deleting",
            };
        }
        match &self.end {
            End::Status { status, .. } => status,
            End::Gone => "Deleted",
        }
    }

    pub(super) fn failure_reason(&self, now: Timestamp) -> Option<&str> {
        match &self.end {
            End::Status { reason, .. } if !self.is_changing(now) => reason.as_deref(),
            _ => None,
        }
    }

    pub(super) fn is_changing(&self, now: Timestamp) -> bool {
        now < self.settles
    }

    /// Whether it was created less than so long ago.
    pub(super) fn is_younger(&self, ms: u64, now: Timestamp) -> bool {
        let age = now.duration_since(self.created).as_millis();
        age < i128::from(ms)
    }

    pub(super) fn is_gone(&self, now: Timestamp) -> bool {
        self.end == End::Gone && !self.is_changing(now)
    }

    /// `Status`, `CreationTime`, `LastModifiedTime` and, after a failure, `FailureReason`.
    pub(super) fn describe(&self, now: Timestamp) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("Status".into(), self.status(now).into());
        members.insert("CreationTime".into(), seconds(self.created));
        let changed = if self.is_changing(now) { self.changed } else { self.settles };
        members.insert("LastModifiedTime".into(), seconds(changed));
        if let Some(reason) = self.failure_reason(now) {
            members.insert("FailureReason".into(), reason.into());
        }
        members
    }
}

/// Epoch seconds with milliseconds, as `SageMaker` writes times.
fn seconds(time: Timestamp) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this epoch fit a double")]
    let seconds = time.as_millisecond() as f64 / 1000.0;
    json!(seconds)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;

    #[test]
    fn a_life_goes_from_pending_through_updating_and_deleting_to_gone() {
        let start = Timestamp::UNIX_EPOCH;
        let mut life = Life::begin(start, 1000, None);
        assert_eq!(life.status(start), "Pending");
        let ready = start + 1.second();
        assert_eq!(life.status(ready), "InService");
        life.update(ready, 1000, None);
        assert_eq!(life.status(ready), "Updating");
        life.delete(ready + 1.second(), 1000, None);
        assert_eq!(life.status(ready + 1.second()), "Deleting");
        assert!(!life.is_gone(ready + 1.second()));
        assert!(life.is_gone(ready + 2.seconds()));
    }

    #[test]
    fn an_ordered_end_carries_its_reason_once_it_is_reached() {
        let start = Timestamp::UNIX_EPOCH;
        let settle = Settle {
            ms: Some(50),
            status: Some("Update_Failed".into()),
            reason: Some("because".into()),
        };
        let mut life = Life::begin(start, 0, None);
        life.update(start, 1000, Some(&settle));
        assert_eq!(life.failure_reason(start), None);
        let later = start + 50.milliseconds();
        assert_eq!(life.status(later), "Update_Failed");
        assert_eq!(life.failure_reason(later), Some("because"));
    }
}

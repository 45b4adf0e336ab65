//! What to do about a profile that differs from its mapping, by what was sent to it before.
//!
//! SageMaker keeps some settings otherwise than they are sent, and refuses others, and neither must keep a
//! person from their notebooks. So the same settings are sent once, by whichever process comes first; what
//! differs after that is SageMaker's own way. Only another execution role keeps the profile closed: it would
//! give the person other rights than the team's.

use crate::aws::profile::Drift;
use crate::aws::updates::{Came, Sent};

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// Send the settings, if nobody else does meanwhile.
    Send,
    /// Wait: somebody sends them, or SageMaker is about to be asked again.
    Wait,
    /// SageMaker keeps it so.
    Keep {
        /// Nobody has written that down yet.
        news: bool,
    },
    /// SageMaker has accepted it, and given up.
    Failed,
    /// SageMaker has refused it lately.
    RefusedBefore,
}

/// A process that has claimed to send and says nothing for so long has ended, in seconds.
const SENDING: i64 = 15;

/// "In use" is believed after so many tries of all processes …
const TRIES: u32 = 3;
/// … this long after each other, in seconds.
const BETWEEN: i64 = 2;

/// Settings that were refused are tried again after this long, in seconds: apps may have been stopped.
pub const REFUSED: i64 = 600;

/// Where SageMaker keeps it otherwise each time, so many updates a day are enough.
const UPDATES_A_DAY: u32 = 5;

/// A profile that was changed this long after it was sent its settings was changed by somebody else, in
/// seconds.
const SOMEBODY_ELSE: i64 = 600;

/// What to do about `drift` at `now` (epoch seconds), after `sent`.
pub fn resend(drift: &Drift, sent: &Sent, now: i64) -> Resend {
    let age = now.saturating_sub(sent.at);
    match sent.came {
        Came::Sending if age < SENDING => Resend::Wait,
        Came::Sending | Came::Unknown | Came::Applied => Resend::Send,
        Came::Accepted if drift.changed_at.saturating_sub(sent.at) > SOMEBODY_ELSE => Resend::Send,
        Came::Accepted if drift.failed.is_some() => Resend::Failed,
        Came::Accepted => Resend::Keep { news: true },
        Came::Kept if sent.way.as_ref() == Some(&drift.way) || sent.tries >= UPDATES_A_DAY => {
            Resend::Keep { news: false }
        }
        Came::Kept => Resend::Send,
        Came::InUse if age < BETWEEN => Resend::Wait,
        Came::InUse => Resend::Send,
        // Nobody stands outside for longer than a refusal may be remembered.
        Came::Refused if age < if drift.is_of_role() { BETWEEN } else { REFUSED } => {
            Resend::RefusedBefore
        }
        Came::Refused => Resend::Send,
    }
}

/// Whether "in use" is what SageMaker goes on saying: then nothing changes the profile but its apps run.
pub fn is_believed_in_use(sent: &Sent) -> bool {
    sent.tries >= TRIES
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn what_follows_from_what_was_sent_before() {
        let same = || Drift {
            members: vec!["StudioWebPortal".into()],
            way: "same".into(),
            settings: Map::new(),
            changed_at: 1_000,
            failed: None,
        };
        let otherwise = || Drift { way: "otherwise".into(), ..same() };
        let of_role = || Drift { members: vec!["ExecutionRole".into()], ..same() };
        let failed = || Drift { failed: Some("Update_Failed: why".into()), ..same() };
        let touched = || Drift { changed_at: 1_601, ..same() };
        let kept = Some("same");
        for (drift, tries, came, way, now, act) in [
            (same(), 1, Came::Sending, None, 1_014, Resend::Wait),
            (same(), 1, Came::Sending, None, 1_015, Resend::Send),
            (same(), 1, Came::Unknown, None, 1_000, Resend::Send),
            (same(), 9, Came::Applied, None, 1_000, Resend::Send),
            (same(), 1, Came::Accepted, None, 1_000, Resend::Keep { news: true }),
            (failed(), 1, Came::Accepted, None, 1_000, Resend::Failed),
            (touched(), 1, Came::Accepted, None, 1_602, Resend::Send),
            (same(), 1, Came::Kept, kept, 87_000, Resend::Keep { news: false }),
            (otherwise(), 1, Came::Kept, kept, 1_001, Resend::Send),
            (otherwise(), 5, Came::Kept, kept, 1_001, Resend::Keep { news: false }),
            (same(), 1, Came::InUse, None, 1_001, Resend::Wait),
            (same(), 2, Came::InUse, None, 1_002, Resend::Send),
            (same(), 1, Came::Refused, None, 1_599, Resend::RefusedBefore),
            (same(), 1, Came::Refused, None, 1_600, Resend::Send),
            (of_role(), 1, Came::Refused, None, 1_001, Resend::RefusedBefore),
            (of_role(), 1, Came::Refused, None, 1_002, Resend::Send),
            (same(), 1, Came::Accepted, None, 900, Resend::Keep { news: true }),
        ] {
            let sent = Sent::example(tries, 1_000, came, way);
            assert_eq!(resend(&drift, &sent, now), act, "{drift:?} {sent:?} {now}");
        }
    }
}

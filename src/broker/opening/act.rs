//! What to do about a profile, by what was found and what this request has done already.

use super::error::OpeningError;
use crate::aws::profile::{Drift, Found};

/// What to do next.
#[derive(Debug)]
pub enum Act {
    /// Open it: it is the owner's, ready, and as the mapping wants it.
    Open,
    /// Look again, at what was begun then (epoch seconds).
    LookAgain {
        /// When.
        since: i64,
        /// Whether SageMaker prepares it; otherwise only its tags are not seen yet.
        prepares: bool,
    },
    /// Create it.
    Create,
    /// Send it the mapping's settings, unless that was done before.
    Update(Drift),
    /// Take it over: its ARN.
    Adopt(String),
    /// Refuse.
    Refuse(OpeningError),
}

/// What this request has done to the profile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// It was created.
    pub created: bool,
    /// It was taken over.
    pub adopted: bool,
    /// Whether there is time for another look at what has just been created; the next visit has some, too.
    pub can_look_again: bool,
}

/// The tags of a new profile are seen so soon, in seconds.
const TAGS_COME_WITHIN: i64 = 60;

/// What to do about what was `found` at `now` (epoch seconds).
pub fn decide(found: Found, done: Done, now: i64) -> Act {
    let foreign = |why: &str| Act::Refuse(OpeningError::ProfileForeign(why.into()));
    match found {
        Found::Ready => Act::Open,
        Found::Preparing { since, .. } => Act::LookAgain { since, prepares: true },
        // Seen later than it was created.
        Found::Missing if done.created => Act::LookAgain { since: now, prepares: true },
        Found::Missing => Act::Create,
        Found::Drifted(drift) => Act::Update(drift),
        Found::Adoptable(_) if done.adopted => foreign("adoption has no effect"),
        Found::Adoptable(arn) => Act::Adopt(arn),
        // Tags may be seen later than the profile that was created with them, by this request or by another
        // one of the same person.
        Found::Untagged(since)
            if now.saturating_sub(since) < TAGS_COME_WITHIN && done.can_look_again =>
        {
            Act::LookAgain { since, prepares: false }
        }
        Found::Untagged(_) => foreign("it has no tags"),
        Found::Revoked => Act::Refuse(OpeningError::AccessRevoked),
        Found::Foreign(why) => foreign(&why),
        Found::Failed(why) => Act::Refuse(OpeningError::ProfileFailed(why)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn what_follows_from_what_was_found_and_done() {
        const NOW: i64 = 1_000;
        let drift = || Drift {
            members: vec!["ExecutionRole".into()],
            way: "a".into(),
            settings: Map::new(),
            changed_at: 900,
            failed: None,
        };
        let preparing = || Found::Preparing { status: "Pending".into(), since: 990 };
        let nothing = Done { can_look_again: true, ..Done::default() };
        let created = Done { created: true, ..nothing };
        let adopted = Done { adopted: true, ..nothing };
        let hurried = Done::default();
        let arn = || Found::Adoptable("arn".into());
        for (found, done, expected) in [
            (Found::Ready, nothing, "Open"),
            (Found::Ready, created, "Open"),
            (preparing(), nothing, "LookAgain { since: 990, prepares: true }"),
            (preparing(), hurried, "LookAgain { since: 990, prepares: true }"),
            (Found::Missing, nothing, "Create"),
            (Found::Missing, adopted, "Create"),
            (Found::Missing, created, "LookAgain { since: 1000, prepares: true }"),
            (Found::Drifted(drift()), created, "Update("),
            (arn(), nothing, "Adopt(\"arn\")"),
            (arn(), adopted, "Refuse(ProfileForeign(\"adoption has no effect\"))"),
            (Found::Untagged(941), nothing, "LookAgain { since: 941, prepares: false }"),
            (Found::Untagged(940), nothing, "Refuse(ProfileForeign(\"it has no tags\"))"),
            (Found::Untagged(999), hurried, "Refuse(ProfileForeign(\"it has no tags\"))"),
            (Found::Revoked, nothing, "Refuse(AccessRevoked)"),
            (Found::Foreign("User".into()), created, "Refuse(ProfileForeign(\"User\"))"),
            (Found::Failed("why".into()), nothing, "Refuse(ProfileFailed(\"why\"))"),
        ] {
            let case = format!("{found:?} {done:?}");
            let act = format!("{:?}", decide(found, done, NOW));
            assert!(act.starts_with(expected), "{case}: {act}, expected {expected}");
        }
    }
}

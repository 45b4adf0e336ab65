//! What is to be done about a person who goes, and what is not.

use crate::aws::spoke::Spoke;
use crate::cli::findings::Finding;
use crate::cli::profiles::end::{Belongings, Ended};
use crate::cli::profiles::inventory::Standing;
use crate::team::members::Name;

/// A person who goes.
#[derive(Debug)]
pub(super) struct Leaver {
    pub(super) name: Name,
    pub(super) plan: Offboarding,
    /// What became of each profile; `None` as long as nothing is carried out.
    pub(super) outcome: Option<Vec<Outcome>>,
}

/// A profile, and how its end came out.
pub(super) type Outcome = (Planned, Ended);

impl Leaver {
    /// How the ends came out so far.
    pub(super) fn ended(&self) -> &[Outcome] {
        self.outcome.as_deref().unwrap_or_default()
    }
}

/// Everything that is to be done for one person, and what is not.
#[derive(Debug, Default)]
pub(super) struct Offboarding {
    /// Entity IDs of the `IdPs` that are to refuse the person.
    pub(super) deny: Vec<String>,
    /// Whether an `IdP` refuses the person already.
    pub(super) is_denied: bool,
    pub(super) profiles: Vec<Planned>,
    /// Profiles that look like the person's and are left alone, each with the reason.
    pub(super) left_alone: Vec<String>,
    pub(super) failed: Vec<Finding>,
}

/// A profile that goes, with what hangs on it.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) spoke: Spoke,
    pub(super) standing: Standing,
    pub(super) belongings: Belongings,
    pub(super) file_system: Option<String>,
}

impl Offboarding {
    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.deny.is_empty() && self.profiles.is_empty()
    }

    /// Takes what a later look left alone or could not find out, unless it is here or in `known` already.
    pub(super) fn add_new(
        &mut self,
        left_alone: Vec<String>,
        failed: Vec<Finding>,
        known: &Offboarding,
    ) {
        for why in left_alone {
            if !self.left_alone.contains(&why) && !known.left_alone.contains(&why) {
                self.left_alone.push(why);
            }
        }
        for finding in failed {
            let same = |other: &Finding| {
                (other.cause, &other.subject) == (finding.cause, &finding.subject)
            };
            if !self.failed.iter().any(same) && !known.failed.iter().any(same) {
                self.failed.push(finding);
            }
        }
    }
}

//! Why a request is not answered with what it asked for.

use std::sync::Arc;

use super::opening::OpeningError;
use crate::aws::error::{AwsError, Kind};
use crate::session::SessionVoid;
use crate::team::idp::{Idp, UserIdUnusable};
use crate::team::item::ItemFaults;
use crate::team::{Team, TeamId};
use strict_saml::Rejection;

/// One variant and one code for each reason.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// The response does not hold.
    #[error("{}", .0.detail())]
    Saml(Rejection),
    /// No enabled `IdP` of this entity ID is known.
    #[error("no enabled identity provider has the response's issuer as its entity ID")]
    IdpUnknown,
    /// The `IdP`'s item cannot be used.
    #[error("{0}")]
    IdpInvalid(Arc<ItemFaults>),
    /// The response was consumed before.
    #[error("the response was consumed before")]
    Replayed,
    /// An unsolicited response for somebody else than this browser's last owner.
    #[error("an unsolicited response for somebody else than this browser's last owner")]
    OtherPerson(Arc<Idp>),
    /// The user id cannot name anybody.
    #[error("{0}")]
    UserIdUnusable(UserIdUnusable),
    /// The user is in `denied_users`.
    #[error("the user id is in denied_users")]
    UserDenied,
    /// The sign-in was of another kind than the `IdP` or the team asks for.
    #[error("the sign-in was of the kinds {said:?}, expected one of {asked:?}")]
    AuthnContextRefused {
        /// The `IdP` to sign in at again.
        idp: Arc<Idp>,
        /// The team that asks; `None` where the `IdP`'s item does.
        team: Option<TeamId>,
        /// What is asked for.
        asked: Vec<String>,
        /// What the assertion said.
        said: Vec<String>,
    },
    /// The session does not count any more.
    #[error("{0}")]
    SessionVoid(SessionVoid),
    /// The person has no right to the team, or there is no such team.
    #[error("the person is not entitled to the team, or there is no such team")]
    NotEntitled,
    /// The team is not enabled.
    #[error("the team is not enabled")]
    TeamPaused(Arc<Team>),
    /// The team lists no door of this id.
    #[error("the team lists no such door, or the door is closed by a fault in the team's item")]
    DoorUnknown,
    /// The client's address is not among the team's.
    #[error("the client's address is not within the team's allowed_cidrs")]
    NetworkRefused,
    /// The team's item cannot be used.
    #[error("{0}")]
    TeamInvalid(Arc<ItemFaults>),
    /// The user's groups cannot be read from the identity store.
    #[error("the user's groups cannot be read: {0}")]
    GroupsUnreadable(AwsError),
    /// A table cannot be read or written.
    #[error("{0}")]
    Table(AwsError),
    /// The team cannot be opened.
    #[error("{0}")]
    Opening(OpeningError),
}

impl Refusal {
    /// Whether AWS has too much to do, and coming back is all that helps.
    pub fn is_throttled(&self) -> bool {
        match self {
            Self::Table(error) | Self::GroupsUnreadable(error) => error.kind == Kind::Throttled,
            Self::Opening(OpeningError::UpdatesUnknown(error)) => error.kind == Kind::Throttled,
            Self::Opening(OpeningError::Busy(_)) => true,
            _ => false,
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Saml(rejection)
    }
}

impl From<AwsError> for Refusal {
    fn from(error: AwsError) -> Self {
        Self::Table(error)
    }
}

//! Failures of requests, and the code of each.

use super::code::*;
use super::destination::Destination;
use crate::aws::error::{AwsError, Kind};
use crate::broker::Refusal;
use crate::broker::opening::{OpeningError, Reason, Wait};

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// The sign-in, the team, or what they rest on.
    Refusal(Refusal),
    /// The form cannot be read; what is expected.
    FormMalformed(&'static str),
    /// No such path.
    NotFound,
    /// Another method is needed; which ones.
    MethodNotAllowed(&'static str),
    /// The body is too large.
    TooLarge,
    /// The body did not arrive in time, or there was no room for it; why.
    NoRoom(&'static str),
    /// Not a person who navigates.
    NotNavigation,
    /// Several slow answers of AWS together took too long.
    TooLate,
    /// The person is entitled to no team.
    NoTeam,
    /// The team does not open yet, but will.
    NotYet(Box<Destination>, Wait),
}

impl Failure {
    /// The code of a sign-in that its person did not continue, since they are somebody else.
    pub(super) const NOT_CONTINUED: &str = OTHER_PERSON.code;
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

pub(super) fn code_of(failure: &Failure) -> Code {
    match failure {
        Failure::FormMalformed(_) => FORM_MALFORMED,
        Failure::NotFound => NOT_FOUND,
        Failure::MethodNotAllowed(_) => METHOD_NOT_ALLOWED,
        Failure::TooLarge => BODY_TOO_LARGE,
        Failure::NoRoom(_) => NO_ROOM,
        Failure::NotNavigation => NOT_NAVIGATION,
        Failure::TooLate => AWS_UNREACHABLE,
        Failure::NoTeam => NO_TEAM,
        Failure::NotYet(_, Wait { reason: Reason::Profile, .. }) => PREPARING,
        Failure::NotYet(_, Wait { reason: Reason::Door, .. }) => DOOR_UPDATING,
        Failure::NotYet(_, Wait { reason: Reason::Aws, .. }) => AWS_BUSY,
        Failure::Refusal(refusal) => code_of_refusal(refusal),
    }
}

fn code_of_refusal(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Saml(rejection) => saml_code(&rejection.row()),
        Refusal::IdpUnknown => IDP_UNKNOWN,
        Refusal::IdpInvalid(_) => IDP_INVALID,
        Refusal::Replayed => REPLAYED,
        Refusal::OtherPerson(_) => OTHER_PERSON,
        Refusal::UserIdUnusable(_) => USER_ID_UNUSABLE,
        Refusal::UserDenied => USER_DENIED,
        Refusal::AuthnContextRefused { .. } => AUTHN_CONTEXT_REFUSED,
        Refusal::SessionVoid(_) => SESSION_VOID,
        Refusal::NotEntitled => NOT_ENTITLED,
        Refusal::TeamPaused(_) => TEAM_PAUSED,
        Refusal::NetworkRefused => NETWORK_REFUSED,
        Refusal::DoorUnknown => DOOR_UNKNOWN,
        Refusal::TeamInvalid(_) => TEAM_INVALID,
        Refusal::GroupsUnreadable(error) => match error.kind {
            Kind::Throttled => AWS_BUSY,
            Kind::Broken => INTERNAL,
            _ => GROUPS_UNREADABLE,
        },
        Refusal::Table(error) => code_of_table_error(error),
        Refusal::Opening(error) => match error {
            OpeningError::TargetDenied(_) => TARGET_DENIED,
            OpeningError::DomainMissing => DOMAIN_MISSING,
            OpeningError::DomainSsoMode => DOMAIN_SSO_MODE,
            OpeningError::ProfileForeign(_) => PROFILE_FOREIGN,
            OpeningError::AccessRevoked => ACCESS_REVOKED,
            OpeningError::ProfileFailed(_) => PROFILE_FAILED,
            OpeningError::QuotaReached(_) => QUOTA_REACHED,
            OpeningError::SettingsRefused(_) => TEAM_INVALID,
            OpeningError::SessionRefused(_) => TARGET_REFUSED,
            OpeningError::UpdatesUnknown(error) => code_of_table_error(error),
            OpeningError::SpaceRefused => SPACE_REFUSED,
            OpeningError::UrlForeign(_) => URL_FOREIGN,
            OpeningError::DoorMissing(_) => Code { sentence: NOT_THERE, ..DOOR_UNAVAILABLE },
            OpeningError::DoorShut(_) => Code { sentence: NOT_RUNNING, ..DOOR_UNAVAILABLE },
            OpeningError::DoorRefused(_) => DOOR_UNAVAILABLE,
            OpeningError::Busy(_) => AWS_BUSY,
            OpeningError::Unreachable(_) => AWS_UNREACHABLE,
            OpeningError::Broken(_) => INTERNAL,
        },
    }
}

/// What the page says of a door whose AWS resource does not exist …
const NOT_THERE: &str = "What you are opening does not exist in the team’s AWS account.";
/// … or exists and does not run.
const NOT_RUNNING: &str = "What you are opening does not run at the moment.";

fn code_of_table_error(error: &AwsError) -> Code {
    match error.kind {
        Kind::Missing | Kind::Denied | Kind::Invalid => TABLE_MISSING,
        Kind::Throttled => AWS_BUSY,
        Kind::Conflict
        | Kind::Limit
        | Kind::ForeignUrl
        | Kind::ConditionFailed
        | Kind::Credentials
        | Kind::Unreachable
        | Kind::Failed => AWS_UNREACHABLE,
        Kind::Broken => INTERNAL,
    }
}

/// In how many seconds the same request may find something else; `None` where somebody has to mend
/// something first (RFC 9110, 10.2.3).
pub(super) fn comes_back_after(failure: &Failure) -> Option<u16> {
    let passes = match failure {
        Failure::NotYet(_, wait) => return Some(wait.seconds),
        // A store that does not answer may answer; one that refuses goes on refusing.
        Failure::Refusal(Refusal::GroupsUnreadable(error)) => {
            matches!(error.kind, Kind::Throttled | Kind::Unreachable | Kind::Failed)
        }
        _ => {
            let code = code_of(failure).code;
            [NO_ROOM, AWS_BUSY, AWS_UNREACHABLE].iter().any(|row| row.code == code)
        }
    };
    passes.then_some(3)
}

/// What only the log may hold: expected and got, AWS's own words.
pub(super) fn detail_of(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Refusal(refusal) => Some(refusal.to_string()).filter(|text| !text.is_empty()),
        Failure::FormMalformed(expected) => Some((*expected).to_owned()),
        Failure::NoRoom(why) => Some((*why).to_owned()),
        Failure::TooLate => Some("no answer within two seconds".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_this_program_is_told_as_such_wherever_it_happens() {
        let broken = || AwsError::here(Kind::Broken, "opening", "Panicked", "");
        let refusals = [
            Refusal::Opening(broken().into()),
            Refusal::Opening(OpeningError::UpdatesUnknown(broken())),
            Refusal::Table(broken()),
            Refusal::GroupsUnreadable(broken()),
        ];
        for refusal in refusals {
            assert_eq!(code_of(&refusal.into()).code, "internal");
        }
    }

    #[test]
    fn only_where_coming_back_helps_it_is_told_when() {
        let error = |kind| AwsError::here(kind, "dynamodb:GetItem", "", "");
        let passing = [Kind::Throttled, Kind::Unreachable, Kind::Failed];
        let lasting = [Kind::Missing, Kind::Denied, Kind::Invalid, Kind::Broken];
        for of in [Refusal::Table, Refusal::GroupsUnreadable] {
            for kind in passing {
                assert_eq!(comes_back_after(&of(error(kind)).into()), Some(3), "{kind:?}");
            }
            for kind in lasting {
                assert_eq!(comes_back_after(&of(error(kind)).into()), None, "{kind:?}");
            }
        }
        assert_eq!(comes_back_after(&Failure::NoRoom("")), Some(3));
        assert_eq!(comes_back_after(&Failure::TooLate), Some(3));
        assert_eq!(comes_back_after(&Failure::NotFound), None);
        assert_eq!(comes_back_after(&Refusal::UserDenied.into()), None);
        let wait = Wait { seconds: 7, ..Wait::for_aws() };
        let team = "blue".to_owned().try_into().unwrap();
        let not_yet = Failure::NotYet(Destination::team(team).into(), wait);
        assert_eq!(comes_back_after(&not_yet), Some(7));
    }
}

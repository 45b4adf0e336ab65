//! How a profile is created and taken over, and why SageMaker refuses.

use super::error::{OpeningError, Stop};
use super::visit::Visit;
use crate::aws::error::{AwsError, Kind};
use crate::aws::profile::{Domain, Found, Profile};
use crate::broker::line::{Step, Unserved};
use crate::team::SpaceName;

impl Visit<'_> {
    /// Creates the profile; where SageMaker refuses, the domain tells why. `false` when somebody else's
    /// first sign-in was faster.
    pub(super) async fn create(&self, profile: &Profile<'_>) -> Result<bool, Stop> {
        let error = match self.queue.in_turn(Step::Create, || profile.create()).await {
            Err(Unserved::Failed(error)) => error,
            created => return Ok(created?),
        };
        let is_refused = matches!(error.kind, Kind::Invalid | Kind::Missing);
        if !is_refused && !error.leaves_open() {
            return Err(error.into());
        }
        match profile.look().await {
            // "Exists already" has no code of its own.
            Ok(Found::Missing) if is_refused => Err(self.why_invalid(profile, error).await.into()),
            _ if is_refused => Ok(false),
            // Nobody knows whether it was created, unless it is there now.
            Ok(Found::Missing) | Err(_) => Err(error.into()),
            Ok(_) => Ok(true),
        }
    }

    /// Takes the profile over; `false` when the same person's other request was faster.
    pub(super) async fn adopt(&self, profile: &Profile<'_>, arn: &str) -> Result<bool, Stop> {
        let error = match self.queue.in_turn(Step::Change, || profile.adopt(arn)).await {
            Err(Unserved::Failed(error)) => error,
            adopted => return Ok(adopted.map(|()| true)?),
        };
        match profile.look().await {
            Ok(Found::Ready | Found::Drifted { .. } | Found::Preparing { .. }) => {
                Ok(error.leaves_open())
            }
            _ => Err(error.into()),
        }
    }

    /// Why SageMaker has refused, as far as the domain tells.
    pub(super) async fn why_invalid(&self, profile: &Profile<'_>, error: AwsError) -> OpeningError {
        match self.queue.in_turn(Step::Look, || profile.domain()).await {
            Ok(Domain::Missing) => OpeningError::DomainMissing,
            Ok(Domain::Sso) => OpeningError::DomainSsoMode,
            _ => error.into(),
        }
    }

    /// The space, when it is the team's or the profile's own. What cannot be a space's name is nobody's, and
    /// SageMaker is not asked about it.
    pub(super) async fn allowed_space(
        &self,
        profile: &Profile<'_>,
        space: &str,
    ) -> Result<String, Stop> {
        let teams_own = profile.team.space_name.as_ref().is_some_and(|own| own.as_str() == space);
        if teams_own {
            return Ok(space.to_owned());
        }
        let is_owned = SpaceName::try_from(space.to_owned()).is_ok()
            && self.queue.in_turn(Step::Look, || profile.owns_space(space)).await?;
        if is_owned { Ok(space.to_owned()) } else { Err(OpeningError::SpaceRefused.into()) }
    }
}

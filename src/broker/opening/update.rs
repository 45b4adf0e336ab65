//! How a profile that differs from its mapping is sent its settings: once, by whichever process comes first.

use jiff::SignedDuration;

use super::drift::{self, Resend, resend};
use super::error::{OpeningError, Stop};
use super::visit::Visit;
use crate::aws::error::{AwsError, Kind};
use crate::aws::profile::{Drift, Found, Profile};
use crate::aws::updates::{Came, Claimed, Sent};
use crate::aws::user_settings::excluding;
use crate::broker::audit::{Outcome, about};
use crate::broker::line::{Step, Unserved};
use crate::random::{hex, random};

/// What became of a profile that differs.
pub(super) enum Repair {
    /// It is being changed, or about to be: look again.
    Wait,
    /// It opens as it is, and is believed ready for at most so long.
    Open(SignedDuration),
}

/// The next visit knows less than this one: it may send the same again.
const NOT_WRITTEN: &str = "what came of an update cannot be written down";
/// Why a profile with another role does not open.
const OTHER_ROLE: &str = "SageMaker keeps another ExecutionRole than the mapping's";

impl Visit<'_> {
    /// Sends a profile that differs its settings, unless that was done before. `sent` is what this request
    /// has sent.
    pub(super) async fn repair(
        &self,
        profile: &Profile<'_>,
        drift: &Drift,
        sent: &mut Option<Sent>,
    ) -> Result<Repair, Stop> {
        let (updates, name, now) = (&self.opener.updates, self.key.update(), self.time.now);
        let fresh = || hex(&random::<16>());
        let mut turn = match sent.take() {
            Some(sent) => Claimed::Before(sent),
            None => {
                self.queue.until_called(Step::Change).await?;
                let claimed = updates.claim(&name, &fresh(), now).await;
                claimed.map_err(OpeningError::UpdatesUnknown)?
            }
        };
        loop {
            let before = match turn {
                Claimed::Before(before) => before,
                Claimed::Ours(ours) => {
                    let (came, error) = self.send(profile, drift, &ours).await?;
                    self.note(&ours, came, None).await;
                    if let (Came::Refused, Some(error)) = (came, error) {
                        return Ok(self.refused(drift, &error.to_string(), error.into())?);
                    }
                    *sent = Some(ours.that(came));
                    return Ok(Repair::Wait);
                }
            };
            match resend(drift, &before, now.as_second()) {
                Resend::Wait => {
                    *sent = (before.came == Came::InUse).then_some(before);
                    return Ok(Repair::Wait);
                }
                Resend::Send => {
                    let claimed = updates.claim_again(&name, &before, &fresh(), now).await;
                    turn = claimed.map_err(OpeningError::UpdatesUnknown)?;
                }
                Resend::Keep { news } => {
                    if news {
                        self.note(&before, Came::Kept, Some(&drift.way)).await;
                    }
                    return Ok(self.kept(drift)?);
                }
                Resend::Failed => {
                    self.note(&before, Came::Refused, None).await;
                    let why = drift.failed.clone().unwrap_or_default();
                    let closed = OpeningError::ProfileFailed(why.clone());
                    return Ok(self.refused(drift, &why, closed)?);
                }
                Resend::RefusedBefore => return Ok(self.refused_before(drift)?),
            }
        }
    }

    /// Sends the settings: what came of it, and why not.
    async fn send(
        &self,
        profile: &Profile<'_>,
        drift: &Drift,
        ours: &Sent,
    ) -> Result<(Came, Option<AwsError>), Stop> {
        let update = || profile.update(drift.settings.clone());
        let error = match self.queue.in_turn(Step::Change, update).await {
            Ok(()) => None,
            Err(Unserved::Failed(error)) => Some(error),
            Err(Unserved::Back(back)) => {
                self.note(ours, Came::Unknown, None).await;
                return Err(back.into());
            }
        };
        let error = match error {
            // Nobody knows, unless it is being changed now, or has been.
            Some(error) if error.leaves_open() => match profile.look().await {
                Ok(Found::Ready | Found::Preparing { .. }) => None,
                _ => Some(error),
            },
            error => error,
        };
        let Some(error) = error else {
            self.record(Outcome::Updated);
            return Ok((Came::Accepted, None));
        };
        match error.kind {
            Kind::Conflict if drift::is_believed_in_use(ours) => Ok((Came::Refused, Some(error))),
            Kind::Conflict => Ok((Came::InUse, Some(error))),
            Kind::Denied | Kind::Invalid | Kind::Limit => Ok((Came::Refused, Some(error))),
            _ => {
                self.note(ours, Came::Unknown, None).await;
                // It was deleted meanwhile: the next look says so.
                if error.kind == Kind::Missing {
                    return Ok((Came::Unknown, None));
                }
                Err(error.into())
            }
        }
    }

    /// Writes down what came of an update. Where that fails, the next one finds out again.
    async fn note(&self, sent: &Sent, came: Came, way: Option<&str>) {
        let noted = self.opener.updates.came(&self.key.update(), sent, came, way).await;
        if let Err(error) = noted {
            about!(warn, &self.request.facts, error = %error, "{NOT_WRITTEN}");
        }
    }

    /// The profile is as its mapping wants it after it was sent that. Without that knowledge a change by
    /// hand looks like SageMaker's own way, for a day.
    pub(super) async fn applied(&self) {
        if let Err(error) = self.opener.updates.applied(&self.key.update()).await {
            about!(warn, &self.request.facts, error = %error, "{NOT_WRITTEN}");
        }
    }

    /// SageMaker keeps a profile otherwise than it was sent.
    fn kept(&self, drift: &Drift) -> Result<Repair, OpeningError> {
        if drift.is_of_role() {
            return Err(OpeningError::ProfileFailed(OTHER_ROLE.into()));
        }
        let (facts, members) = (&self.request.facts, &drift.members);
        about!(warn, facts, ?members, "SageMaker keeps other settings than the mapping's");
        Ok(Repair::Open(self.opener.profile_life))
    }

    /// SageMaker refuses to change a profile: it opens as it is, or is `closed` where it has another role.
    fn refused(
        &self,
        drift: &Drift,
        why: &str,
        closed: OpeningError,
    ) -> Result<Repair, OpeningError> {
        if drift.is_of_role() {
            return Err(match closed {
                OpeningError::Busy(error) => OpeningError::ProfileFailed(error.to_string()),
                closed => closed,
            });
        }
        let members = drift.members.join(", ");
        let hint = excluding(&drift.settings).map(|hint| format!(" ({hint})"));
        let detail = format!("{members}: {why}{}", hint.unwrap_or_default());
        about!(warn, &self.request.facts, detail, "update_refused: the profile opens as it is");
        self.record_with(Outcome::UpdateRefused, Some(&detail));
        Ok(Repair::Open(self.believed_for_now()))
    }

    /// The same, as it was told before.
    fn refused_before(&self, drift: &Drift) -> Result<Repair, OpeningError> {
        if drift.is_of_role() {
            let why = "SageMaker has just refused to change the ExecutionRole";
            return Err(OpeningError::ProfileFailed(why.into()));
        }
        let (facts, members) = (&self.request.facts, &drift.members);
        about!(info, facts, ?members, "an update was refused lately, the profile opens as it is");
        Ok(Repair::Open(self.believed_for_now()))
    }

    /// What was refused is tried again.
    fn believed_for_now(&self) -> SignedDuration {
        self.opener.profile_life.min(SignedDuration::from_secs(drift::REFUSED))
    }
}

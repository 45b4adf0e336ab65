//! Makes a profile ready: look, act, look again, as long as the request has time.

use std::time::Duration;

use fair_line::{Looks, Millis};
use jiff::SignedDuration;

use super::act::{Act, Done, decide};
use super::error::Stop;
use super::update::Repair;
use super::visit::{ProfileKey, Visit};
use super::wait::{Reason, SOON, Wait};
use crate::aws::error::AwsError;
use crate::aws::profile::{Found, Profile};
use crate::aws::studio_url::StudioUrl;
use crate::aws::updates::Sent;
use crate::broker::audit::{Outcome, about};
use crate::broker::changing::{Change, Moment};
use crate::broker::line::{Step, Unserved};

/// How far this request has come with a profile.
struct Progress {
    /// The moment before the last look.
    looked: Moment,
    /// Since when SageMaker prepares it, as far as this person was told, epoch seconds.
    prepared_since: Option<i64>,
    /// Whether it was sent its settings, by this visit or an earlier one.
    updated: bool,
    /// What this request has done to it.
    done: Done,
    /// What this request has sent it.
    sent: Option<Sent>,
}

/// What follows from a look.
enum Next<'a> {
    /// It is ready, and believed to be for so long.
    Open(SignedDuration),
    /// Something was changed that the next look shows at once; until then nobody else changes it.
    Look(Change<'a, ProfileKey>),
    /// Something lasts since then, epoch seconds; `prepares`: SageMaker is preparing the profile.
    Wait { since: i64, prepares: bool },
}

impl Visit<'_> {
    /// Sees to it that the profile is there, ready, the owner's, and as the mapping wants it. Where all was so
    /// at once, what came of asking for a URL beside the look.
    pub(super) async fn make_ready<F>(
        &self,
        profile: &Profile<'_>,
        ask: impl Fn() -> F,
    ) -> Result<Option<Result<StudioUrl, AwsError>>, Stop>
    where
        F: Future<Output = Result<StudioUrl, AwsError>>,
    {
        let (opener, queue, now) = (self.opener, &self.queue, self.time.now.as_second());
        let mut progress = Progress {
            looked: opener.changing.moment(),
            prepared_since: self.preparing_for().map(|age| now - age.as_secs()),
            updated: self.was_updated(),
            done: Done::default(),
            sent: None,
        };
        let look_again = || profile.look_one_by_one();
        let (mut url, mut found) = if progress.prepared_since.is_some() || queue.is_crowded().await
        {
            (None, queue.in_turn(Step::Look, look_again).await)
        } else {
            // Only once: while the profile is not known, nobody waits for its URL.
            let look = queue.in_turn(Step::Look, || profile.look());
            let (url, found) = tokio::join!(ask(), look);
            queue.was_throttled(Step::Presign, &url);
            (Some(url), found)
        };
        let belief = loop {
            let found_now = found.map_err(|unserved| self.not_looked(unserved, &progress))?;
            let until_seen = match self.act_on(found_now, profile, &mut progress).await? {
                Next::Open(belief) => break belief,
                Next::Look(change) => Some(change),
                Next::Wait { since, prepares } => {
                    self.pause(since, prepares, &mut progress).await?;
                    progress.looked = opener.changing.moment();
                    None
                }
            };
            url = None;
            found = queue.in_turn(Step::Look, look_again).await;
            drop(until_seen);
        };
        // Known from here on, whether a URL can be had now or at the next visit.
        opener.ready.insert(self.key.clone(), now, self.time.now, belief).await;
        if let Some(since) = progress.prepared_since.filter(|_| !progress.updated) {
            queue.was_prepared_in(self.time.millis().saturating_sub(since.saturating_mul(1_000)));
        }
        Ok(url)
    }

    /// Does what follows from what was found.
    async fn act_on(
        &self,
        found: Found,
        profile: &Profile<'_>,
        progress: &mut Progress,
    ) -> Result<Next<'_>, Stop> {
        if let Found::Preparing { status, .. } = &found {
            about!(info, &self.request.facts, status, "the profile is being prepared");
        }
        let (changing, now) = (&self.opener.changing, self.time.now.as_second());
        progress.done.can_look_again =
            progress.prepared_since.is_some() || self.time.left() >= SOON;
        match decide(found, progress.done, now) {
            Act::Open => {
                if progress.updated {
                    self.applied().await;
                }
                Ok(Next::Open(self.opener.profile_life))
            }
            Act::LookAgain { since, prepares } => Ok(Next::Wait { since, prepares }),
            Act::Create => {
                if let Some(_change) = changing.begin(self.key, progress.looked) {
                    if self.create(profile).await? {
                        self.record(Outcome::Created);
                    }
                    progress.done.created = true;
                }
                Ok(Next::Wait { since: now, prepares: true })
            }
            Act::Update(drift) => match self.repair(profile, &drift, &mut progress.sent).await? {
                Repair::Wait => {
                    progress.updated = true;
                    Ok(Next::Wait { since: now, prepares: true })
                }
                Repair::Open(belief) => Ok(Next::Open(belief)),
            },
            Act::Adopt(arn) => {
                let Some(change) = changing.begin(self.key, progress.looked) else {
                    return Ok(Next::Wait { since: now, prepares: false });
                };
                if self.adopt(profile, &arn).await? {
                    self.record(Outcome::Adopted);
                }
                progress.done.adopted = true;
                Ok(Next::Look(change))
            }
            Act::Refuse(error) => Err(error.into()),
        }
    }

    /// Waits until it is worth looking again, or ends the request where it has no time for that.
    async fn pause(&self, since: i64, prepares: bool, progress: &mut Progress) -> Result<(), Stop> {
        if prepares {
            let known = progress.prepared_since.unwrap_or(since);
            progress.prepared_since = Some(known.min(since));
        }
        let age = self.time.now.as_second().saturating_sub(since).saturating_mul(1_000);
        // How long profiles take to be made says nothing of their changes.
        let gap = match (prepares, progress.updated) {
            (false, _) => SOON,
            (true, true) => usual_gap(age),
            (true, false) => self.queue.look_again_after(age),
        };
        if self.time.left() < gap {
            let wait = Wait::about(Reason::Profile, gap);
            return Err(Stop::NotYet(self.until_prepared(wait, progress.updated)));
        }
        tokio::time::sleep(gap).await;
        Ok(())
    }

    /// What its person is told where the profile could not be looked at.
    fn not_looked(&self, unserved: Unserved, progress: &Progress) -> Stop {
        match progress.prepared_since {
            Some(_) => self.while_prepared(unserved.into(), progress.updated),
            None => unserved.into(),
        }
    }
}

/// In how long to look again, while nothing is scarce, at what has lasted this long (milliseconds).
fn usual_gap(age: Millis) -> Duration {
    Duration::from_millis(Looks::default().again_after(age, false).unsigned_abs())
}

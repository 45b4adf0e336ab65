//! Carrying a plan out: what is open ends, everybody is refused, and then profile after profile goes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::deny::{deny, noticed};
use super::find::Field;
use super::plan::{Leaver, Offboarding, Outcome};
use super::words::{ended_line, tell, tell_left};
use crate::cli::fleet::each;
use crate::cli::interrupt::{Interrupt, interrupted};
use crate::cli::output::{Failure, Format, plain};
use crate::cli::profiles::end::{Ended, Order, end};
use crate::cli::profiles::revoke;
use crate::mappings::change::cut;
use crate::team::item::excerpt;
use crate::team::members::Name;

/// How plans are carried out.
pub(super) struct Work<'a> {
    pub(super) field: &'a Field<'a>,
    pub(super) format: Format,
    pub(super) interrupt: &'a Interrupt,
    /// Ends shared spaces too.
    pub(super) shared_spaces: bool,
    /// How long the profiles of one person are waited for.
    pub(super) patience: Duration,
    /// The command that goes on where this one stops.
    pub(super) go_on: Option<String>,
}

impl Work<'_> {
    /// Carries out the plans of all people. What became of each profile, and what a later look left alone or
    /// could not find out, is with them afterwards.
    ///
    /// # Errors
    ///
    /// Somebody could not be refused, or it was interrupted before everybody was: no profile is ended.
    #[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
    pub(super) async fn carry_out(&self, people: &mut [Leaver]) -> Result<(), Failure> {
        self.end_what_is_open(people).await;
        let denied_at = Instant::now();
        self.refuse(people).await?;
        let is_news = people.iter().any(|leaver| !leaver.plan.deny.is_empty());
        let wait = if is_news { noticed(self.field.hub, self.format) } else { Duration::ZERO };
        for leaver in people {
            let Leaver { name, plan, outcome } = leaver;
            let (ended, found_later) = self.end_profiles(name, plan, denied_at + wait).await;
            if self.format == Format::Table {
                tell_left(&found_later);
            }
            plan.left_alone.extend(found_later.left_alone);
            plan.failed.extend(found_later.failed);
            *outcome = Some(ended);
        }
        Ok(())
    }

    /// What is open ends at once; what cannot be tagged is ended like the rest.
    async fn end_what_is_open(&self, people: &mut [Leaver]) {
        for Leaver { plan, .. } in people {
            let open = plan.profiles.iter().map(|p| (p.spoke.clone(), p.standing.clone()));
            plan.failed.extend(revoke::revoke(open.collect(), self.field.parallel).await);
        }
    }

    /// Has everybody refused by the `IdPs` of their plans.
    async fn refuse(&self, people: &[Leaver]) -> Result<(), Failure> {
        for Leaver { name, plan, .. } in people {
            for entity_id in &plan.deny {
                if self.interrupt.is_asked() {
                    return Err(self.interrupted_between(people));
                }
                deny(self.field.hub, entity_id, &name.user_id, self.go_on.clone()).await?;
                tell(self.format, || {
                    format!("refused: {} at IdP {}", plain(&name.user_id), plain(entity_id))
                });
            }
        }
        Ok(())
    }

    fn interrupted_between(&self, people: &[Leaver]) -> Failure {
        let users: Vec<_> = people.iter().map(|leaver| excerpt(&leaver.name.user_id)).collect();
        let message = format!(
            "interrupted before everybody was refused and anything was ended: {}",
            cut(&users, 10).join(", ")
        );
        interrupted(message).hint(self.go_on.clone())
    }

    /// What became of each profile, and what the later looks left alone or could not find out, beyond
    /// what the plan says already. `noticed_at`: from then on no session can make a profile.
    #[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
    async fn end_profiles(
        &self,
        name: &Name,
        plan: &Offboarding,
        noticed_at: Instant,
    ) -> (Vec<Outcome>, Offboarding) {
        let order = &Order {
            shared_spaces: self.shared_spaces,
            deadline: Instant::now() + self.patience,
            interrupt: self.interrupt.clone(),
        };
        let mut ended: BTreeMap<String, Outcome> = BTreeMap::new();
        let mut found_later = Offboarding::default();
        let mut profiles = plan.profiles.clone();
        for round in 1..=ROUNDS {
            let ending =
                each(profiles, self.field.parallel, "ending profiles", |planned| async move {
                    let outcome = Box::pin(end(&planned.spoke, &planned.standing, order)).await;
                    let outcome = (planned, outcome);
                    tell(self.format, || ended_line(&outcome));
                    outcome
                });
            let outcomes = ending.await.into_iter().map(|(outcome, _)| outcome);
            ended.extend(outcomes.map(|outcome| (outcome.0.standing.place(), outcome)));
            // Only a denial of this very run can have gone unnoticed so far.
            if plan.deny.is_empty() || round == ROUNDS || self.interrupt.is_asked() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep_until(noticed_at) => {}
                () = self.interrupt.asked() => break,
            }
            let second_look = self.field.find(name).await;
            found_later.add_new(second_look.left_alone, second_look.failed, plan);
            profiles = second_look.profiles;
            profiles.retain(|planned| {
                let before = ended.get(&planned.standing.place());
                before.is_none_or(|(_, ended)| *ended == Ended::Gone)
            });
            if profiles.is_empty() {
                break;
            }
        }
        (ended.into_values().collect(), found_later)
    }
}

/// How often profiles are ended: what a session makes before the broker has noticed the denial is found by
/// another look.
const ROUNDS: usize = 3;

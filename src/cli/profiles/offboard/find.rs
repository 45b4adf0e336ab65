//! Where a person's profiles are, and whom the profiles there are of.

use std::collections::BTreeSet;

use super::plan::{Offboarding, Planned};
use crate::aws::error::{AwsError, sorted};
use crate::aws::sagemaker::RawAnswer;
use crate::aws::spoke::{Administrator, LIFECYCLE_ROLE, Spoke};
use crate::cli::findings::Finding;
use crate::cli::fleet::{Place, each, entered};
use crate::cli::hub::Hub;
use crate::cli::profiles::end::belongings;
use crate::cli::profiles::inventory::{Standing, Wanted, names, standing};
use crate::cli::profiles::revoke::{Judgement, judgement};
use crate::team::members::Name;
use crate::team::owner::profile_name_starts;

/// Everywhere where a person may have a profile.
pub(super) struct Field<'a> {
    pub(super) hub: &'a Hub,
    pub(super) administrator: &'a Administrator,
    pub(super) places: Vec<Place>,
    /// How many places are worked in at once.
    pub(super) parallel: usize,
}

impl Field<'_> {
    /// Looks for the person's profiles in all places, side by side.
    pub(super) async fn find(&self, name: &Name) -> Offboarding {
        let wanted = Wanted { starts: profile_name_starts(&name.user_id), ..Wanted::default() };
        let wanted = &wanted;
        let looked =
            each(self.places.clone(), self.parallel, "looking for profiles", |place| async move {
                self.find_in(&place, name, wanted).await
            });
        let mut whole = Offboarding::default();
        for (plan, _) in looked.await {
            whole.profiles.extend(plan.profiles);
            whole.left_alone.extend(plan.left_alone);
            whole.failed.extend(plan.failed);
        }
        whole
    }

    async fn find_in(&self, place: &Place, name: &Name, wanted: &Wanted) -> Offboarding {
        let mut plan = Offboarding::default();
        let spoke = match self.enter(place).await {
            Ok(spoke) => spoke,
            Err(finding) => {
                plan.failed.push(finding);
                return plan;
            }
        };
        let (found, failed) = standing(&spoke, wanted).await;
        plan.failed.extend(failed);
        for standing in found {
            match judgement(name, &standing) {
                Judgement::Nothing => {}
                Judgement::Doubtful(why) => plan.left_alone.push(why),
                Judgement::Own => match planned(&spoke, &standing).await {
                    Ok(planned) => plan.profiles.push(planned),
                    Err(error) => {
                        let subject = format!("profile {}", standing.place());
                        plan.failed.push(Finding::of_error(subject, &error));
                    }
                },
            }
        }
        plan
    }

    /// The owners of all profiles, as far as their names tell: what stands before the last hyphen.
    pub(super) async fn all_owners(&self) -> BTreeSet<String> {
        let looked =
            each(self.places.clone(), self.parallel, "looking for near ids", |place| async move {
                let Ok(spoke) = self.enter(&place).await else { return Vec::new() };
                names(&spoke, &Wanted::default()).await.unwrap_or_default()
            });
        let names = looked.await.into_iter().flat_map(|(names, _)| names);
        names.filter_map(|(_, name)| Some(name.rsplit_once('-')?.0.to_owned())).collect()
    }

    async fn enter(&self, place: &Place) -> Result<Spoke, Finding> {
        entered(&self.hub.sdk, place, LIFECYCLE_ROLE, self.administrator).await
    }
}

async fn planned(spoke: &Spoke, standing: &Standing) -> Result<Planned, AwsError> {
    let asked = spoke.sagemaker.describe_domain().domain_id(standing.domain.as_str()).customize();
    let domain = asked.interceptor(RawAnswer::reading(&["HomeEfsFileSystemId"])).send();
    let (domain, belongings) =
        tokio::join!(domain, belongings(spoke, &standing.domain, &standing.described.name));
    let file_system = sorted("sagemaker:DescribeDomain", domain)?.home_efs_file_system_id;
    Ok(Planned {
        spoke: spoke.clone(),
        standing: standing.clone(),
        belongings: belongings?,
        file_system,
    })
}

//! The end of one profile: its apps, the apps of its spaces, its spaces, itself.
//!
//! Each step begins with a look at AWS, so it does not matter who began the end, or when. A profile is
//! deleted only when its tags say, at that moment, that it is the owner's.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sagemaker::types::{AppStatus, SpaceStatus, UserProfileStatus};
use tokio::time::Instant;

use super::inventory::{Standing, look};
use crate::aws::error::{AwsError, Kind, sorted};
use crate::aws::spoke::Spoke;
use crate::cli::interrupt::Interrupt;
use crate::team::DomainId;
use crate::team::item::excerpt;
use crate::team::whose::{TEAM_TAG, USER_TAG};

/// An app of a profile or of one of its spaces.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) kind: String,
    pub(super) name: String,
    /// The space that it runs in; the profile itself when absent.
    pub(super) space: Option<String>,
    status: String,
}

impl App {
    /// Whether it stands in the way of its space or profile: a failed app does not, and cannot be deleted.
    fn blocks(&self) -> bool {
        !matches!(AppStatus::from(self.status.as_str()), AppStatus::Deleted | AppStatus::Failed)
    }

    fn is_deleting(&self) -> bool {
        AppStatus::from(self.status.as_str()) == AppStatus::Deleting
    }
}

/// A space of a profile.
#[derive(Debug, Clone)]
pub(super) struct Space {
    pub(super) name: String,
    /// Whether others of the domain work in it as well.
    pub(super) is_shared: bool,
    status: String,
}

/// Everything that hangs on a profile.
#[derive(Debug, Clone, Default)]
pub(super) struct Belongings {
    pub(super) apps: Vec<App>,
    pub(super) spaces: Vec<Space>,
}

/// Looks at what hangs on a profile now.
///
/// # Errors
///
/// It could not be listed.
pub(super) async fn belongings(
    spoke: &Spoke,
    domain: &DomainId,
    profile: &str,
) -> Result<Belongings, AwsError> {
    let spaces = spaces(spoke, domain, profile).await?;
    let mut apps = apps(spoke, domain, Some(profile), None).await?;
    for space in &spaces {
        // Apps of a space do not name the profile.
        apps.extend(self::apps(spoke, domain, None, Some(&space.name)).await?);
    }
    apps.retain(App::blocks);
    Ok(Belongings { apps, spaces })
}

async fn spaces(spoke: &Spoke, domain: &DomainId, profile: &str) -> Result<Vec<Space>, AwsError> {
    let listed = spoke.sagemaker.list_spaces().domain_id_equals(domain.as_str()).max_results(100);
    let mut pages = listed.into_paginator().send();
    let mut spaces = Vec::new();
    while let Some(page) = pages.next().await {
        for space in sorted("sagemaker:ListSpaces", page)?.spaces.unwrap_or_default() {
            let owner = space
                .ownership_settings_summary
                .and_then(|ownership| ownership.owner_user_profile_name)
                .unwrap_or_default();
            if !owner.eq_ignore_ascii_case(profile) {
                continue;
            }
            let sharing = space.space_sharing_settings_summary.and_then(|s| s.sharing_type);
            spaces.push(Space {
                name: space.space_name.unwrap_or_default(),
                is_shared: sharing.is_some_and(|sharing| sharing.as_str() != "Private"),
                status: space.status.map_or_else(String::new, |s| s.as_str().to_owned()),
            });
        }
    }
    Ok(spaces)
}

async fn apps(
    spoke: &Spoke,
    domain: &DomainId,
    profile: Option<&str>,
    space: Option<&str>,
) -> Result<Vec<App>, AwsError> {
    let listed = spoke.sagemaker.list_apps().domain_id_equals(domain.as_str()).max_results(100);
    let mut pages = listed
        .set_user_profile_name_equals(profile.map(str::to_owned))
        .set_space_name_equals(space.map(str::to_owned))
        .into_paginator()
        .send();
    let mut apps = Vec::new();
    while let Some(page) = pages.next().await {
        for app in sorted("sagemaker:ListApps", page)?.apps.unwrap_or_default() {
            apps.push(App {
                kind: app.app_type.map_or_else(String::new, |kind| kind.as_str().to_owned()),
                name: app.app_name.unwrap_or_default(),
                space: app.space_name,
                status: app.status.map_or_else(String::new, |s| s.as_str().to_owned()),
            });
        }
    }
    Ok(apps)
}

/// How a profile's end came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is gone.
    Gone,
    /// It is still there, for this reason.
    Left(String),
}

/// Between two looks: short at first, so that what is quick is quick.
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What may be ended, and until when it is waited for.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) shared_spaces: bool,
    pub(super) deadline: Instant,
    /// Nothing further is begun once somebody asks to stop.
    pub(super) interrupt: Interrupt,
}

/// Ends a profile and everything that hangs on it, or says why it is still there.
#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) async fn end(spoke: &Spoke, standing: &Standing, order: &Order) -> Ended {
    let (mut pause, mut asked) = (FIRST_PAUSE, false);
    loop {
        if order.interrupt.is_asked() {
            return Ended::Left("interrupted before it was done".into());
        }
        let waits_for = match step(spoke, standing, order, &mut asked).await {
            Ok(Step::Gone) => return Ended::Gone,
            Ok(Step::Stuck(why)) => return Ended::Left(why),
            Ok(Step::Waiting(what)) => what,
            // Somebody else's change, a busy or silent AWS: the next look tells.
            Err(error) if is_passing(&error) => error.to_string(),
            Err(error) => return Ended::Left(error.to_string()),
        };
        if Instant::now() + pause > order.deadline {
            return Ended::Left(format!("still waiting: {waits_for}"));
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = order.interrupt.asked() => {
                return Ended::Left(format!("interrupted while waiting: {waits_for}"));
            }
        }
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

fn is_passing(error: &AwsError) -> bool {
    !matches!(error.kind, Kind::Denied | Kind::Credentials)
}

enum Step {
    Gone,
    /// Something is going on, or was begun by this step.
    Waiting(String),
    /// Nothing that is allowed here helps.
    Stuck(String),
}

/// Looks, and begins whatever can be begun now; `asked` once SageMaker was asked to delete the profile.
async fn step(
    spoke: &Spoke,
    standing: &Standing,
    order: &Order,
    asked: &mut bool,
) -> Result<Step, AwsError> {
    let (domain, name) = (&standing.domain, standing.described.name.as_str());
    let Some(now) = look(spoke, domain, name).await? else { return Ok(Step::Gone) };
    let status = UserProfileStatus::from(now.described.status.as_str());
    if status == UserProfileStatus::Deleting {
        return Ok(Step::Waiting("the profile is being deleted".into()));
    }
    if status == UserProfileStatus::DeleteFailed && *asked {
        let reason = now.described.failure_reason.unwrap_or_else(|| "no reason given".into());
        return Ok(Step::Stuck(format!("SageMaker could not delete it: {reason}")));
    }
    if let Some(why) = not_the_same(&standing.tags, &now.tags) {
        return Ok(Step::Stuck(why));
    }
    let Belongings { apps, spaces } = belongings(spoke, domain, name).await?;
    let shared: Vec<_> =
        spaces.iter().filter(|space| space.is_shared).map(|space| space.name.clone()).collect();
    if !shared.is_empty() && !order.shared_spaces {
        return Ok(Step::Stuck(format!(
            "it owns shared spaces, where others work: {} (--shared-spaces ends them)",
            shared.join(", ")
        )));
    }
    if !apps.is_empty() {
        for app in apps.iter().filter(|app| !app.is_deleting()) {
            delete_app(spoke, domain, name, app).await?;
        }
        let each = apps.iter().map(|app| format!("app {} {}", app.kind, app.name));
        return Ok(Step::Waiting(each.collect::<Vec<_>>().join(", ")));
    }
    if !spaces.is_empty() {
        for space in &spaces {
            if SpaceStatus::from(space.status.as_str()) != SpaceStatus::Deleting {
                delete_space(spoke, domain, &space.name).await?;
            }
        }
        let each = spaces.iter().map(|space| format!("space {}", space.name));
        return Ok(Step::Waiting(each.collect::<Vec<_>>().join(", ")));
    }
    delete_profile(spoke, domain, name).await?;
    *asked = true;
    Ok(Step::Waiting("the profile is being deleted".into()))
}

type Tags = BTreeMap<String, String>;

/// Why a profile with these tags is not the one that was planned to be ended, if it is not: whose it was judged
/// to be ([`crate::team::whose`]) it must be still, and a profile without both tags is nobody's to end.
fn not_the_same(planned: &Tags, now: &Tags) -> Option<String> {
    [TEAM_TAG, USER_TAG].into_iter().find_map(|key| {
        let (then, now) = (planned.get(key), now.get(key));
        (then != now || now.is_none())
            .then(|| format!("its tag {key} is {} by now, planned was {}", shown(now), shown(then)))
    })
}

fn shown(tag: Option<&String>) -> String {
    tag.map_or_else(|| "not there".to_owned(), |tag| excerpt(tag))
}

async fn delete_app(
    spoke: &Spoke,
    domain: &DomainId,
    profile: &str,
    app: &App,
) -> Result<(), AwsError> {
    let of_profile = app.space.is_none().then(|| profile.to_owned());
    let sent = spoke
        .sagemaker
        .delete_app()
        .domain_id(domain.as_str())
        .set_user_profile_name(of_profile)
        .set_space_name(app.space.clone())
        .app_type(app.kind.as_str().into())
        .app_name(&app.name)
        .send()
        .await;
    unless_under_way(sorted("sagemaker:DeleteApp", sent))
}

async fn delete_space(spoke: &Spoke, domain: &DomainId, space: &str) -> Result<(), AwsError> {
    let delete = spoke.sagemaker.delete_space();
    let sent = delete.domain_id(domain.as_str()).space_name(space).send().await;
    unless_under_way(sorted("sagemaker:DeleteSpace", sent))
}

async fn delete_profile(spoke: &Spoke, domain: &DomainId, profile: &str) -> Result<(), AwsError> {
    let delete = spoke.sagemaker.delete_user_profile();
    let sent = delete.domain_id(domain.as_str()).user_profile_name(profile).send().await;
    unless_under_way(sorted("sagemaker:DeleteUserProfile", sent))
}

/// What is gone or going needs no more; the next look tells.
fn unless_under_way<O>(sent: Result<O, AwsError>) -> Result<(), AwsError> {
    match sent {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind, Kind::Missing | Kind::Conflict) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_still_has_the_tags_that_were_planned_with_is_deleted() {
        let tags = |pairs: &[(&str, &str)]| -> Tags {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let planned = tags(&[("Team", "blue"), ("User", "ann")]);
        let same = tags(&[("Team", "blue"), ("User", "ann"), ("cost", "1")]);
        assert_eq!(not_the_same(&planned, &same), None);
        for now in [
            tags(&[]),
            tags(&[("Team", "blue")]),
            tags(&[("User", "ann")]),
            tags(&[("Team", "red"), ("User", "ann")]),
            tags(&[("Team", "blue"), ("User", "Ann")]),
            tags(&[("team", "blue"), ("user", "ann")]),
        ] {
            assert!(not_the_same(&planned, &now).is_some(), "{now:?}");
        }
        let untagged = tags(&[("User", "ann")]);
        assert!(not_the_same(&untagged, &untagged).is_some(), "nobody's to end");
    }
}

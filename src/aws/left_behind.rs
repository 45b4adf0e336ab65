//! Profiles that an earlier team left behind.
//!
//! The tags `Team` and `User` decide whose a profile is, so a team id that comes back opens the profiles
//! that still carry it. Whoever brings it back should know, so the domain is looked at with the role that
//! changes nothing; where it cannot be assumed, nothing is known and that is said.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::error::{AwsError, Kind, sorted};
use super::spoke::{Administrator, DOCTOR_ROLE, Spoke};
use crate::mappings::places::Place;
use crate::team::whose::TEAM_TAG;

/// What a domain holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// How many profiles carry each value of the `Team` tag.
    pub teams: BTreeMap<String, usize>,
    /// Whether there are more profiles than were looked at.
    pub is_partial: bool,
    /// Whether the domain has RStudio, where that could be seen.
    pub has_rstudio: Option<bool>,
}

/// The most profiles of one domain that are looked at: each takes a call.
const MOST: usize = 500;

/// How many of them at once; SageMaker throttles per account.
const SIDE_BY_SIDE: usize = 8;

/// Counts the profiles of a domain by their `Team` tag.
///
/// # Errors
///
/// The role could not be assumed, or the domain could not be looked at.
pub async fn census(
    sdk: &SdkConfig,
    administrator: &Administrator,
    (account, region, domain): &Place,
) -> Result<Census, AwsError> {
    let spoke = Spoke::enter(sdk, account, region, DOCTOR_ROLE, administrator).await?;
    let mut names = Vec::new();
    let mut next = None;
    loop {
        let sent = spoke
            .sagemaker
            .list_user_profiles()
            .domain_id_equals(domain.as_str())
            .max_results(100)
            .set_next_token(next.take())
            .send()
            .await;
        let output = sorted("sagemaker:ListUserProfiles", sent)?;
        let page = output.user_profiles.unwrap_or_default();
        names.extend(page.into_iter().filter_map(|profile| profile.user_profile_name));
        next = output.next_token.filter(|token| !token.is_empty());
        if next.is_none() || names.len() >= MOST {
            break;
        }
    }
    let described = spoke.sagemaker.describe_domain().domain_id(domain.as_str()).send().await;
    let has_rstudio = described.ok().map(|domain| {
        let settings = domain.domain_settings.as_ref();
        settings.is_some_and(|one| one.r_studio_server_pro_domain_settings.is_some())
    });
    let is_partial = next.is_some() || names.len() > MOST;
    names.truncate(MOST);
    let tags: Vec<Option<String>> = stream::iter(names)
        .map(|name| team_tag(&spoke, spoke.arn(&format!("user-profile/{domain}/{name}"))))
        .buffer_unordered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    let mut teams = BTreeMap::new();
    for team in tags.into_iter().flatten() {
        *teams.entry(team).or_default() += 1;
    }
    Ok(Census { teams, is_partial, has_rstudio })
}

async fn team_tag(spoke: &Spoke, arn: String) -> Result<Option<String>, AwsError> {
    let sent = spoke.sagemaker.list_tags().resource_arn(arn).send().await;
    let tags = match sorted("sagemaker:ListTags", sent) {
        Ok(output) => output.tags.unwrap_or_default(),
        // Deleted since it was listed.
        Err(error) if error.kind == Kind::Missing => Vec::new(),
        Err(error) => return Err(error),
    };
    let team = tags.into_iter().find(|tag| tag.key.as_deref() == Some(TEAM_TAG));
    Ok(team.and_then(|tag| tag.value))
}

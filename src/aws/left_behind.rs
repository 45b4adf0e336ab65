//! Profiles that an earlier team left behind.
//!
//! The tags `Team` and `User` decide whose a profile is, so a team id that comes back opens the profiles
//! that still carry it. Whoever brings it back should know, so the domain is looked at with the role that
//! changes nothing; where it cannot be assumed, nothing is known and that is said.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region as SdkRegion, SdkConfig};
use aws_credential_types::Credentials;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::error::{AwsError, Kind, sorted};
use super::spoke::{Administrator, DOCTOR_ROLE};
use crate::team::{AccountId, DomainId, Region, Team};

/// Where teams live together.
pub type Place = (AccountId, Region, DomainId);

/// The place of a team.
pub fn place(team: &Team) -> Place {
    (team.account_id.clone(), team.region.clone(), team.domain_id.clone())
}

/// What a domain holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// How many profiles carry each value of the `Team` tag.
    pub teams: BTreeMap<String, usize>,
    /// Whether there are more profiles than were looked at.
    pub is_partial: bool,
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
    let sdk = hasty(sdk, region);
    let role = format!("arn:{}:iam::{account}:role/{DOCTOR_ROLE}", region.partition());
    let credentials = assume(&sdk, role, administrator).await?;
    let config = aws_sdk_sagemaker::config::Builder::from(&sdk).credentials_provider(credentials);
    let client = aws_sdk_sagemaker::Client::from_conf(config.build());

    let mut names = Vec::new();
    let mut next = None;
    loop {
        let sent = client
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
    let is_partial = next.is_some() || names.len() > MOST;
    names.truncate(MOST);
    let tags: Vec<Option<String>> = stream::iter(names)
        .map(|name| {
            let partition = region.partition();
            let arn = format!(
                "arn:{partition}:sagemaker:{region}:{account}:user-profile/{domain}/{name}"
            );
            team_tag(&client, arn)
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    let mut teams = BTreeMap::new();
    for team in tags.into_iter().flatten() {
        *teams.entry(team).or_default() += 1;
    }
    Ok(Census { teams, is_partial })
}

async fn team_tag(
    client: &aws_sdk_sagemaker::Client,
    arn: String,
) -> Result<Option<String>, AwsError> {
    let listed = sorted("sagemaker:ListTags", client.list_tags().resource_arn(arn).send().await);
    let tags = match listed {
        Ok(output) => output.tags.unwrap_or_default(),
        // Deleted since it was listed.
        Err(error) if error.kind == Kind::Missing => Vec::new(),
        Err(error) => return Err(error),
    };
    let team = tags.into_iter().find(|tag| tag.key.as_deref() == Some("Team"));
    Ok(team.and_then(|tag| tag.value))
}

async fn assume(
    sdk: &SdkConfig,
    role_arn: String,
    administrator: &Administrator,
) -> Result<Credentials, AwsError> {
    const OPERATION: &str = "sts:AssumeRole";
    let sent = aws_sdk_sts::Client::new(sdk)
        .assume_role()
        .role_arn(role_arn)
        .role_session_name(&administrator.session_name)
        .duration_seconds(900)
        .send()
        .await;
    let credentials = sorted(OPERATION, sent)?.credentials.ok_or_else(|| AwsError {
        kind: Kind::Unreachable,
        operation: OPERATION,
        code: "BadAnswer".into(),
        message: "the answer holds no credentials".into(),
        request_id: None,
    })?;
    Ok(Credentials::new(
        credentials.access_key_id,
        credentials.secret_access_key,
        Some(credentials.session_token),
        None,
        "AssumeRole",
    ))
}

/// The Region's own endpoints, and little patience: it is a second look, not the plan.
fn hasty(sdk: &SdkConfig, region: &Region) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(4))
        .operation_timeout(Duration::from_secs(8))
        .build();
    sdk.to_builder()
        .region(SdkRegion::new(region.to_string()))
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .build()
}

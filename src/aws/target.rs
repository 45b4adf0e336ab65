//! STS: credentials in a team's account, for one person in one team.

use aws_config::retry::RetryConfig;
use aws_config::{Region as SdkRegion, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sts::types::Tag;
use jiff::{SignedDuration, Timestamp};

use super::cache::Cache;
use super::connections::{Bare, answered, nobody};
use super::error::{AwsError, sorted};
use super::targets_budget;
use crate::team::owner::Owner;
use crate::team::{Region, RoleArn, Team, TeamId};

/// Assumes target roles and remembers the credentials until shortly before they expire.
#[derive(Debug)]
pub struct Targets {
    config: SdkConfig,
    role_name: String,
    clients: Cache<Region, aws_sdk_sts::Client>,
    credentials: Cache<TargetKey, Credentials>,
}

/// What credentials are bound to: never shared between people, teams, roles or Regions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetKey {
    role: RoleArn,
    external_id: Option<String>,
    region: Region,
    team: TeamId,
    owner: Owner,
}

/// The longest session that role chaining allows, in seconds
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
const DURATION_SECONDS: i32 = 3600;

/// Credentials are not used in the last five minutes of their life.
const EXPIRY_MARGIN: SignedDuration = SignedDuration::from_mins(5);

impl Targets {
    /// Assumes roles with the credentials of `config`; `role_name` where a team names no role.
    pub fn new(config: SdkConfig, role_name: String) -> Self {
        Self { config, role_name, clients: Cache::new(100), credentials: Cache::new(5_000) }
    }

    /// The role that would be assumed for a team.
    pub fn role(&self, team: &Team) -> RoleArn {
        team.broker_role(&self.role_name)
    }

    /// Credentials that were got before and are still good.
    pub async fn remembered(
        &self,
        team: &Team,
        owner: &Owner,
        now: Timestamp,
    ) -> Option<Credentials> {
        self.credentials.get(&self.key(team, owner), now).await
    }

    /// Credentials of the team's target role for this owner.
    ///
    /// # Errors
    ///
    /// STS refused or did not answer. A missing role, a trust policy that refuses and a missing
    /// permission look alike.
    pub async fn assume(
        &self,
        team: &Team,
        owner: &Owner,
        now: Timestamp,
    ) -> Result<Credentials, AwsError> {
        let key = self.key(team, owner);
        let load = self.assume_role(key.clone(), now);
        self.credentials.get_or_load(key, now, load).await
    }

    /// Forgets credentials that AWS does not accept any more.
    pub async fn forget(&self, team: &Team, owner: &Owner) {
        self.credentials.remove(&self.key(team, owner)).await;
    }

    /// Opens a connection to the Region's STS.
    ///
    /// # Errors
    ///
    /// Why there is none; nothing depends on it.
    pub async fn connect(&self, region: &Region, now: Timestamp) -> Result<(), String> {
        let once = aws_sdk_sts::config::Builder::new()
            .credentials_provider(nobody())
            .retry_config(RetryConfig::disabled());
        let client = self.client(region, now).await;
        let call = client.get_caller_identity().customize().config_override(once);
        answered(call.interceptor(Bare).send().await)
    }

    fn key(&self, team: &Team, owner: &Owner) -> TargetKey {
        TargetKey {
            role: self.role(team),
            external_id: team.external_id.clone(),
            region: team.region.clone(),
            team: team.team_id.clone(),
            owner: owner.clone(),
        }
    }

    async fn assume_role(
        &self,
        key: TargetKey,
        now: Timestamp,
    ) -> Result<(Credentials, SignedDuration), AwsError> {
        const OPERATION: &str = "sts:AssumeRole";
        let sent = self
            .client(&key.region, now)
            .await
            .assume_role()
            .role_arn(key.role.as_str())
            .role_session_name(key.owner.as_str())
            .set_external_id(key.external_id)
            .duration_seconds(DURATION_SECONDS)
            .set_tags(Some(
                vec![
                    session_tag("Team", key.team.as_str()),
                    session_tag("User", key.owner.as_str()),
                ]
                .into_iter()
                .flatten()
                .collect(),
            ))
            .send()
            .await;
        let output = sorted(OPERATION, sent)?;
        let Some(credentials) = output.credentials else {
            return Err(AwsError::bad_answer(OPERATION, "the answer holds no credentials"));
        };
        let expires = credentials.expiration.secs();
        let life = SignedDuration::from_secs(expires.saturating_sub(now.as_second()));
        let credentials = Credentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            None,
            "AssumeRole",
        );
        Ok((credentials, life.saturating_sub(EXPIRY_MARGIN)))
    }

    /// A client at the Region's own STS endpoint, whose tokens are valid in every Region.
    async fn client(&self, region: &Region, now: Timestamp) -> aws_sdk_sts::Client {
        if let Some(client) = self.clients.get(region, now).await {
            return client;
        }
        let config = aws_sdk_sts::config::Builder::from(&self.config)
            .region(SdkRegion::new(region.to_string()))
            .retry_partition(targets_budget())
            .build();
        let client = aws_sdk_sts::Client::from_conf(config);
        self.clients.insert(region.clone(), client.clone(), now, SignedDuration::MAX).await;
        client
    }
}

fn session_tag(key: &str, value: &str) -> Option<Tag> {
    Tag::builder().key(key).value(value).build().ok()
}

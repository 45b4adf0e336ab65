//! SageMaker: the profile of one owner in one team: look at it, create it, update it, adopt it.
//!
//! [`describe`] and [`tags`] look at any profile, for whoever has credentials of its account.

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::types::{AuthMode, Tag, UserProfileStatus};
use serde_json::{Map, Value};

use super::error::{AwsError, Kind, sorted};
use super::sagemaker::{Attempts, RawAnswer, put_into_body, with_credentials};
use super::user_settings::{differences, holds_nothing_else, merged, way};
use crate::team::item::excerpt;
use crate::team::owner::Owner;
use crate::team::whose::{TEAM_TAG, USER_TAG, Whose, is_revoked, whose};
use crate::team::{DomainId, Team};

/// One owner's profile in one team, and how to speak about it with SageMaker.
#[derive(Debug, Clone)]
pub struct Profile<'a> {
    /// The Region's client.
    pub client: &'a Client,
    /// Credentials of the team's target role for this owner.
    pub credentials: &'a Credentials,
    /// The team.
    pub team: &'a Team,
    /// The owner.
    pub owner: &'a Owner,
    /// The profile's exact name.
    pub name: &'a str,
}

/// What stands in the domain under the profile's name.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// A profile that is the owner's, ready, and as the mapping wants it.
    Ready,
    /// A profile that is being made or changed.
    Preparing {
        /// SageMaker's status.
        status: String,
        /// Since when, epoch seconds.
        since: i64,
    },
    /// The owner's profile, but not as the mapping wants it.
    Drifted(Drift),
    /// A profile without any tag, last changed at this moment, epoch seconds: somebody else's, unless it was
    /// created just now.
    Untagged(i64),
    /// A profile without `User` tag that the mapping allows to be taken over; its ARN.
    Adoptable(String),
    /// The owner's profile, with the tag by which an administrator has ended access.
    Revoked,
    /// Somebody else's profile: which tag differs, for the log.
    Foreign(String),
    /// A profile that SageMaker gave up on: status and reason, for the log.
    Failed(String),
}

/// How a profile differs from what its mapping wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// The paths of the members that differ, for example `ExecutionRole`.
    pub members: Vec<String>,
    /// The same with what stands there, as a digest: whether it differs as it did before.
    pub way: String,
    /// The complete merged settings to send.
    pub settings: Map<String, Value>,
    /// When the profile was last changed, epoch seconds.
    pub changed_at: i64,
    /// Why its last change failed, if it did.
    pub failed: Option<String>,
}

impl Drift {
    /// Whether it would give the person other rights than the team's.
    pub fn is_of_role(&self) -> bool {
        self.members.iter().any(|member| member == EXECUTION_ROLE)
    }
}

const EXECUTION_ROLE: &str = "ExecutionRole";

impl Profile<'_> {
    /// Describes the profile and lists its tags side by side, and judges.
    ///
    /// # Errors
    ///
    /// A call failed for another reason than a missing profile.
    pub async fn look(&self) -> Result<Found, AwsError> {
        let arn = self.arn();
        let Self { client, credentials, team, name, .. } = *self;
        let (described, tags) = tokio::join!(
            describe(client, credentials, &team.domain_id, name),
            tags(client, credentials, &arn)
        );
        let Some(described) = described? else { return Ok(Found::Missing) };
        self.judge_with(described, tags).await
    }

    /// The same with the calls one after the other, and without the second where the first tells that
    /// there is nothing to open yet.
    ///
    /// # Errors
    ///
    /// A call failed for another reason than a missing profile.
    pub async fn look_one_by_one(&self) -> Result<Found, AwsError> {
        let Self { client, credentials, team, name, .. } = *self;
        let described = describe(client, credentials, &team.domain_id, name).await?;
        let Some(described) = described else { return Ok(Found::Missing) };
        if described.is_under_way() {
            return Ok(described.preparing());
        }
        let tags = tags(client, credentials, &self.arn()).await;
        self.judge_with(described, tags).await
    }

    async fn judge_with(
        &self,
        described: Described,
        found_tags: Result<BTreeMap<String, String>, AwsError>,
    ) -> Result<Found, AwsError> {
        let found_tags = match found_tags {
            Ok(tags) => tags,
            // The service may keep another case in ARNs than in names; its own answer is right.
            Err(error)
                if matches!(error.kind, Kind::Missing | Kind::Invalid)
                    && described.arn.as_ref().is_some_and(|own| *own != self.arn()) =>
            {
                let arn = described.arn.as_deref().unwrap_or_default();
                tags(self.client, self.credentials, arn).await?
            }
            // Just created: tags may be seen later than the profile.
            Err(error) if error.kind == Kind::Missing => {
                return Ok(described.preparing());
            }
            Err(error) => return Err(error),
        };
        Ok(self.judge(described, &found_tags))
    }

    /// What a profile is to this owner, by its description and tags.
    pub fn judge(&self, described: Described, tags: &BTreeMap<String, String>) -> Found {
        let foreign = |key, expected: &str| {
            let found = shown(tags.get(key).map(String::as_str));
            Found::Foreign(format!("tag {key} is {found}, expected {expected}"))
        };
        let (team, owner) = (&self.team.team_id, self.owner);
        let wanted = self.wanted_settings();
        match whose(&described.name, tags, self.name, team, owner) {
            Whose::OtherName => {
                let name = excerpt(&described.name);
                return Found::Foreign(format!("the answer is about another name, {name}"));
            }
            Whose::Untagged => return Found::Untagged(described.changed_at),
            Whose::OtherTeam => return foreign(TEAM_TAG, team.as_str()),
            Whose::OtherOwner => return foreign(USER_TAG, owner.as_str()),
            Whose::Theirs | Whose::Nobodys if is_revoked(tags) => return Found::Revoked,
            Whose::Nobodys if self.is_adoptable(&described.settings, &wanted) => {
                return Found::Adoptable(described.arn.unwrap_or_else(|| self.arn()));
            }
            Whose::Nobodys => return foreign(USER_TAG, owner.as_str()),
            Whose::Theirs => {}
        }
        match UserProfileStatus::from(described.status.as_str()) {
            // Where an update failed, the profile serves as it did before.
            UserProfileStatus::InService | UserProfileStatus::UpdateFailed => {
                match described.drift(wanted) {
                    Some(drift) => Found::Drifted(drift),
                    None => Found::Ready,
                }
            }
            UserProfileStatus::Failed | UserProfileStatus::DeleteFailed => {
                Found::Failed(described.failure())
            }
            _ => described.preparing(),
        }
    }

    /// Only a profile that holds nothing which the mapping would not give may be taken over: whoever
    /// planted it must not have left a script or a role in it.
    fn is_adoptable(&self, found: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
        let role = found.get(EXECUTION_ROLE).and_then(Value::as_str);
        self.team.adopt_profiles
            && role == Some(self.team.execution_role_arn.as_str())
            && holds_nothing_else(found, wanted)
    }

    /// The mapping's settings with its execution role, as `UserSettings` wants them.
    fn wanted_settings(&self) -> Map<String, Value> {
        let mut settings = self.team.user_settings.clone();
        settings.insert(EXECUTION_ROLE.into(), self.team.execution_role_arn.as_str().into());
        settings
    }

    fn arn(&self) -> String {
        let Team { region, account_id, domain_id, .. } = self.team;
        let partition = region.partition();
        format!(
            "arn:{partition}:sagemaker:{region}:{account_id}:user-profile/{domain_id}/{}",
            self.name
        )
    }

    /// Creates the profile with the mapping's role, settings and tags. `false` when SageMaker says that
    /// it is there already or changing, and not because of a call of ours whose answer was lost: the
    /// caller looks again.
    ///
    /// # Errors
    ///
    /// The creation was refused, or nobody knows.
    pub async fn create(&self) -> Result<bool, AwsError> {
        let own = [(TEAM_TAG, self.team.team_id.as_str()), (USER_TAG, self.owner.as_str())];
        let further = self.team.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let tags = own.into_iter().chain(further).map(|(key, value)| tag(key, value));
        let members = user_settings_member(self.wanted_settings());
        let attempts = Attempts::default();
        let created = self
            .client
            .create_user_profile()
            .domain_id(self.team.domain_id.as_str())
            .user_profile_name(self.name)
            .set_tags(Some(tags.collect()))
            .customize()
            .config_override(with_credentials(self.credentials))
            .mutate_request(move |request| put_into_body(request, &members))
            .interceptor(attempts.clone())
            .send()
            .await;
        let created = unless_under_way(sorted("sagemaker:CreateUserProfile", created))?;
        Ok(created || attempts.were_several())
    }

    /// Sends the complete merged settings.
    ///
    /// # Errors
    ///
    /// The update was refused, or nobody knows. [`Kind::Conflict`]: the profile is being changed already,
    /// and not by a call of ours whose answer was lost, or its apps run.
    pub async fn update(&self, settings: Map<String, Value>) -> Result<(), AwsError> {
        let members = user_settings_member(settings);
        let attempts = Attempts::default();
        let updated = self
            .client
            .update_user_profile()
            .domain_id(self.team.domain_id.as_str())
            .user_profile_name(self.name)
            .customize()
            .config_override(with_credentials(self.credentials))
            .mutate_request(move |request| put_into_body(request, &members))
            .interceptor(attempts.clone())
            .send()
            .await;
        match sorted("sagemaker:UpdateUserProfile", updated) {
            // By a call of ours whose answer was lost, or since apps run and no call of ours did anything: what
            // was not sent must not count as sent.
            Err(error) if error.kind == Kind::Conflict && attempts.were_several() => {
                match self.look().await {
                    Ok(Found::Ready | Found::Preparing { .. }) => Ok(()),
                    _ => Err(error),
                }
            }
            updated => updated.map(|_| ()),
        }
    }

    /// Gives an ownerless profile this owner's `User` tag.
    ///
    /// # Errors
    ///
    /// The tagging was refused: the target role grants it only where adoption is switched on.
    pub async fn adopt(&self, arn: &str) -> Result<(), AwsError> {
        let attempts = Attempts::default();
        let sent = self
            .client
            .add_tags()
            .resource_arn(arn)
            .tags(tag(USER_TAG, self.owner.as_str()))
            .customize()
            .config_override(with_credentials(self.credentials))
            .interceptor(attempts.clone())
            .send()
            .await;
        match sorted("sagemaker:AddTags", sent) {
            // The role grants the tag where there is none, which our own lost call has changed.
            Err(error) if error.kind == Kind::Denied && attempts.were_several() => Ok(()),
            sent => sent.map(|_| ()),
        }
    }

    /// Looks at the domain itself, to tell why it refuses.
    ///
    /// # Errors
    ///
    /// The domain could not be read.
    pub async fn domain(&self) -> Result<Domain, AwsError> {
        let described = self
            .client
            .describe_domain()
            .domain_id(self.team.domain_id.as_str())
            .customize()
            .config_override(with_credentials(self.credentials))
            .interceptor(RawAnswer::reading(&["AuthMode"]))
            .send()
            .await;
        match sorted("sagemaker:DescribeDomain", described) {
            Ok(output) => Ok(if output.auth_mode == Some(AuthMode::Sso) {
                Domain::Sso
            } else {
                Domain::Usable
            }),
            Err(error) if error.kind == Kind::Missing => Ok(Domain::Missing),
            Err(error) => Err(error),
        }
    }

    /// Whether a space belongs to this profile.
    ///
    /// # Errors
    ///
    /// The space could not be read for another reason than that it is not there.
    pub async fn owns_space(&self, space: &str) -> Result<bool, AwsError> {
        let described = self
            .client
            .describe_space()
            .domain_id(self.team.domain_id.as_str())
            .space_name(space)
            .customize()
            .config_override(with_credentials(self.credentials))
            .interceptor(RawAnswer::reading(&["OwnershipSettings"]))
            .send()
            .await;
        match sorted("sagemaker:DescribeSpace", described) {
            Ok(output) => {
                let owner = output.ownership_settings.and_then(|own| own.owner_user_profile_name);
                Ok(owner.is_some_and(|owner| owner.eq_ignore_ascii_case(self.name)))
            }
            // SageMaker answers a missing space with either code.
            Err(error) if matches!(error.kind, Kind::Missing | Kind::Invalid) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Describes a profile; `None` where there is none of this name.
///
/// # Errors
///
/// The call failed for another reason than a missing profile.
pub async fn describe(
    client: &Client,
    credentials: &Credentials,
    domain: &DomainId,
    name: &str,
) -> Result<Option<Described>, AwsError> {
    let raw = RawAnswer::reading(&[
        "UserProfileName",
        "UserProfileArn",
        "Status",
        "FailureReason",
        "LastModifiedTime",
        "HomeEfsFileSystemUid",
    ]);
    let described = client
        .describe_user_profile()
        .domain_id(domain.as_str())
        .user_profile_name(name)
        .customize()
        .config_override(with_credentials(credentials))
        .interceptor(raw.clone())
        .send()
        .await;
    let output = match sorted("sagemaker:DescribeUserProfile", described) {
        Ok(output) => output,
        Err(error) if error.kind == Kind::Missing => return Ok(None),
        Err(error) => return Err(error),
    };
    let settings = match raw.take() {
        Some(Value::Object(mut answer)) => answer.remove("UserSettings"),
        _ => None,
    };
    let settings = match settings {
        Some(Value::Object(settings)) => settings,
        _ => Map::new(),
    };
    Ok(Some(Described {
        name: output.user_profile_name.unwrap_or_default(),
        arn: output.user_profile_arn,
        status: output.status.map_or_else(String::new, |status| status.as_str().to_owned()),
        failure_reason: output.failure_reason,
        changed_at: output.last_modified_time.map_or(0, |time| time.secs()),
        home_uid: output.home_efs_file_system_uid,
        settings,
    }))
}

/// The tags of a profile.
///
/// # Errors
///
/// The call failed, which it also does when the profile is not there.
pub async fn tags(
    client: &Client,
    credentials: &Credentials,
    arn: &str,
) -> Result<BTreeMap<String, String>, AwsError> {
    const OPERATION: &str = "sagemaker:ListTags";
    let mut tags = BTreeMap::new();
    let mut next = None;
    // 50 tags fit one page; a service that never ends its pages must not hold the request.
    for _ in 0..5 {
        let sent = client
            .list_tags()
            .resource_arn(arn)
            .max_results(100)
            .set_next_token(next)
            .customize()
            .config_override(with_credentials(credentials))
            .send()
            .await;
        let output = sorted(OPERATION, sent)?;
        for tag in output.tags.unwrap_or_default() {
            tags.insert(tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        }
        next = output.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(tags);
        }
    }
    // The one that is missing may be the one that closes the profile.
    Err(AwsError::bad_answer(OPERATION, "the list of tags does not end"))
}

/// Whether a change was begun; not when SageMaker says that the profile is there or changing already.
fn unless_under_way<O>(sent: Result<O, AwsError>) -> Result<bool, AwsError> {
    match sent {
        Ok(_) => Ok(true),
        Err(error) if error.kind == Kind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a domain is, as far as a sign-in depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// There, in IAM mode.
    Usable,
    /// There, in SSO mode: presigned URLs are not for it.
    Sso,
    /// Not there.
    Missing,
}

/// A profile as SageMaker describes it.
#[derive(Debug, Clone)]
pub struct Described {
    /// Its name, in whatever case SageMaker keeps it.
    pub name: String,
    /// Its ARN.
    pub arn: Option<String>,
    /// SageMaker's status, also one that nobody here knows.
    pub status: String,
    /// Why the last change failed.
    pub failure_reason: Option<String>,
    /// The last change, in epoch seconds.
    pub changed_at: i64,
    /// The owner of the home directory on the domain's EFS.
    pub home_uid: Option<String>,
    /// `UserSettings` as they came, with members that the SDK does not know.
    pub settings: Map<String, Value>,
}

impl Described {
    /// Whether it is in no state in which it could be opened, or refused for good.
    fn is_under_way(&self) -> bool {
        !matches!(
            UserProfileStatus::from(self.status.as_str()),
            UserProfileStatus::InService
                | UserProfileStatus::Failed
                | UserProfileStatus::UpdateFailed
                | UserProfileStatus::DeleteFailed
        )
    }

    fn preparing(self) -> Found {
        Found::Preparing { status: self.status, since: self.changed_at }
    }

    fn failure(&self) -> String {
        let reason = self.failure_reason.as_deref().unwrap_or("no reason given");
        format!("{}: {reason}", self.status)
    }

    /// How it differs from what is wanted, if it does.
    fn drift(self, wanted: Map<String, Value>) -> Option<Drift> {
        let differences = differences(&self.settings, &wanted);
        if differences.is_empty() {
            return None;
        }
        let failed = self.status == UserProfileStatus::UpdateFailed.as_str();
        Some(Drift {
            way: way(&differences),
            members: differences.into_iter().map(|differs| differs.path).collect(),
            changed_at: self.changed_at,
            failed: failed.then(|| self.failure()),
            settings: merged(self.settings, wanted),
        })
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

fn user_settings_member(settings: Map<String, Value>) -> Map<String, Value> {
    Map::from_iter([("UserSettings".to_owned(), Value::Object(settings))])
}

/// The value of a tag in words.
fn shown(tag: Option<&str>) -> String {
    tag.map_or_else(|| "not there".to_owned(), excerpt)
}

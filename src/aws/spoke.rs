//! One account in one Region, as an administrator works in it: with a role of that account that the
//! broker cannot assume, never with the broker's own.
//!
//! The templates of the accounts make both roles. Whoever runs a command assumes them with credentials
//! of the hub account, under the own name, so that CloudTrail of the team's account says who it was.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region as SdkRegion, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sagemaker::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_sagemaker::config::retry::RetryPartition;
use aws_sdk_sagemaker::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sagemaker::error::BoxError;
use jiff::Timestamp;

use super::error::{AwsError, sorted};
use crate::team::{AccountId, Region};

/// The role that reads and changes nothing: `doctor`, `profiles list`, `profiles drift`.
pub const DOCTOR_ROLE: &str = "StudioBrokerDoctor";
/// The role that repairs and removes profiles: `profiles drift --repair`, `profiles offboard`.
pub const LIFECYCLE_ROLE: &str = "StudioBrokerLifecycle";

/// The longest session that role chaining allows, in seconds: administrators mostly have a role
/// already (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
const DURATION_SECONDS: i32 = 3600;

/// Who runs the command.
#[derive(Debug, Clone)]
pub struct Administrator {
    /// The account of the credentials.
    pub account: AccountId,
    /// The ARN of the credentials.
    pub arn: String,
    /// The name of sessions in the teams' accounts: 2 to 64 of `A-Z a-z 0-9 _+=,.@-`.
    pub session_name: String,
    /// What time it is at AWS.
    pub aws_time: Option<Timestamp>,
}

/// Asks STS who we are.
///
/// # Errors
///
/// There are no credentials, or STS does not answer.
pub async fn administrator(sdk: &SdkConfig) -> Result<Administrator, AwsError> {
    const OPERATION: &str = "sts:GetCallerIdentity";
    let date = DateHeader::default();
    let client = aws_sdk_sts::Client::new(sdk);
    let sent = client.get_caller_identity().customize().interceptor(date.clone()).send().await;
    let identity = sorted(OPERATION, sent)?;
    let arn = identity.arn.unwrap_or_default();
    let account = identity.account.and_then(|id| AccountId::try_from(id).ok());
    let account =
        account.ok_or_else(|| AwsError::bad_answer(OPERATION, "the answer names no account"))?;
    let session_name = session_name(&arn);
    Ok(Administrator { account, arn, session_name, aws_time: date.time() })
}

/// The last part of an ARN, as far as it can be a session's name.
fn session_name(arn: &str) -> String {
    let last = arn.rsplit(['/', ':']).next().unwrap_or_default();
    let legal = |c: &char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c);
    let name: String = last.chars().filter(legal).take(64).collect();
    if name.len() < 2 { "studio-broker".into() } else { name }
}

/// One account in one Region, entered with one role.
#[derive(Debug, Clone)]
pub struct Spoke {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// Credentials of the role.
    pub credentials: Credentials,
    /// SageMaker of the Region.
    pub sagemaker: aws_sdk_sagemaker::Client,
    /// IAM of the account.
    pub iam: aws_sdk_iam::Client,
    /// The quotas of the account in the Region.
    pub quotas: aws_sdk_servicequotas::Client,
}

impl Spoke {
    /// Assumes the role `role_name` in the account.
    ///
    /// # Errors
    ///
    /// STS refused or did not answer. A missing role, a trust policy that refuses and a missing
    /// permission look alike.
    pub async fn enter(
        sdk: &SdkConfig,
        account: &AccountId,
        region: &Region,
        role_name: &str,
        administrator: &Administrator,
    ) -> Result<Self, AwsError> {
        let sdk = for_one_of_many(sdk, region);
        // Each account has its own budget of retries: one that throttles must not use up the others'.
        let partition = RetryPartition::new(format!("{account} {region}"));
        let sts = aws_sdk_sts::config::Builder::from(&sdk).retry_partition(partition.clone());
        let client = aws_sdk_sts::Client::from_conf(sts.build());
        let role = format!("arn:{}:iam::{account}:role/{role_name}", region.partition());
        let credentials = assume(&client, role, administrator).await?;
        let sagemaker = aws_sdk_sagemaker::config::Builder::from(&sdk)
            .credentials_provider(credentials.clone())
            .retry_partition(partition.clone());
        let iam = aws_sdk_iam::config::Builder::from(&sdk)
            .credentials_provider(credentials.clone())
            .retry_partition(partition.clone());
        let quotas = aws_sdk_servicequotas::config::Builder::from(&sdk)
            .credentials_provider(credentials.clone())
            .retry_partition(partition);
        Ok(Self {
            account: account.clone(),
            region: region.clone(),
            credentials,
            sagemaker: aws_sdk_sagemaker::Client::from_conf(sagemaker.build()),
            iam: aws_sdk_iam::Client::from_conf(iam.build()),
            quotas: aws_sdk_servicequotas::Client::from_conf(quotas.build()),
        })
    }

    /// The ARN of a SageMaker resource here.
    pub fn arn(&self, resource: &str) -> String {
        let Self { account, region, .. } = self;
        format!("arn:{}:sagemaker:{region}:{account}:{resource}", region.partition())
    }
}

async fn assume(
    client: &aws_sdk_sts::Client,
    role_arn: String,
    administrator: &Administrator,
) -> Result<Credentials, AwsError> {
    const OPERATION: &str = "sts:AssumeRole";
    let sent = client
        .assume_role()
        .role_arn(role_arn)
        .role_session_name(&administrator.session_name)
        .duration_seconds(DURATION_SECONDS)
        .send()
        .await;
    let credentials = sorted(OPERATION, sent)?.credentials;
    let credentials = credentials
        .ok_or_else(|| AwsError::bad_answer(OPERATION, "the answer holds no credentials"))?;
    Ok(Credentials::new(
        credentials.access_key_id,
        credentials.secret_access_key,
        Some(credentials.session_token),
        None,
        "AssumeRole",
    ))
}

/// The Region's own endpoints, and patience that ends: one account among hundreds must not hold the
/// others' report.
fn for_one_of_many(sdk: &SdkConfig, region: &Region) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(8))
        .operation_timeout(Duration::from_secs(25))
        .build();
    let retries =
        RetryConfig::standard().with_max_attempts(5).with_max_backoff(Duration::from_secs(3));
    sdk.to_builder()
        .region(SdkRegion::new(region.to_string()))
        .timeout_config(timeouts)
        .retry_config(retries)
        .build()
}

/// Keeps the `Date` of an answer.
#[derive(Debug, Clone, Default)]
struct DateHeader(Arc<Mutex<Option<String>>>);

impl DateHeader {
    fn time(&self) -> Option<Timestamp> {
        let date = self.0.lock().ok()?.take()?;
        Some(jiff::fmt::rfc2822::parse(&date).ok()?.timestamp())
    }
}

impl Intercept for DateHeader {
    fn name(&self) -> &'static str {
        "DateHeader"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").map(str::to_owned);
        if let Ok(mut kept) = self.0.lock() {
            *kept = date;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::session_name;

    #[test]
    fn sessions_bear_the_name_of_whoever_runs_the_command() {
        for (arn, name) in [
            ("arn:aws:iam::111111111111:user/path/ann", "ann"),
            ("arn:aws:sts::111111111111:assumed-role/Admins/ann@example.com", "ann@example.com"),
            ("arn:aws:iam::111111111111:root", "root"),
            ("", "studio-broker"),
        ] {
            assert_eq!(session_name(arn), name);
        }
    }
}

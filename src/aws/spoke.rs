//! STS: the roles for administrators in the teams' accounts, never the broker's own.
//!
//! The templates of the accounts make both; neither lets the broker in. Whoever runs a command
//! assumes them with credentials of the hub account, under the own name, so that CloudTrail of the
//! team's account says who it was.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;

use super::error::{AwsError, Kind, sorted};
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
}

/// Asks STS who we are.
///
/// # Errors
///
/// There are no credentials, or STS does not answer.
pub async fn administrator(sdk: &SdkConfig) -> Result<Administrator, AwsError> {
    const OPERATION: &str = "sts:GetCallerIdentity";
    let sent = aws_sdk_sts::Client::new(sdk).get_caller_identity().send().await;
    let identity = sorted(OPERATION, sent)?;
    let arn = identity.arn.unwrap_or_default();
    let account = identity.account.and_then(|id| AccountId::try_from(id).ok());
    let Some(account) = account else {
        return Err(AwsError {
            kind: Kind::Unreachable,
            operation: OPERATION,
            code: "BadAnswer".into(),
            message: "the answer names no account".into(),
            request_id: None,
        });
    };
    let session_name = session_name(&arn);
    Ok(Administrator { account, arn, session_name })
}

/// The last part of an ARN, as far as it can be a session's name.
fn session_name(arn: &str) -> String {
    let last = arn.rsplit(['/', ':']).next().unwrap_or_default();
    let legal = |c: &char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c);
    let name: String = last.chars().filter(legal).take(64).collect();
    if name.len() < 2 { "studio-broker".into() } else { name }
}

/// Credentials of a role in a team's account.
///
/// # Errors
///
/// STS refused or did not answer. A missing role, a trust policy that refuses and a missing
/// permission look alike.
pub async fn assume(
    sdk: &SdkConfig,
    account: &AccountId,
    region: &Region,
    role_name: &str,
    administrator: &Administrator,
) -> Result<Credentials, AwsError> {
    const OPERATION: &str = "sts:AssumeRole";
    // The Region's own endpoint: its tokens are valid in every Region.
    let config = aws_sdk_sts::config::Builder::from(sdk)
        .region(aws_config::Region::new(region.to_string()))
        .build();
    let sent = aws_sdk_sts::Client::from_conf(config)
        .assume_role()
        .role_arn(format!("arn:{}:iam::{account}:role/{role_name}", region.partition()))
        .role_session_name(&administrator.session_name)
        .duration_seconds(DURATION_SECONDS)
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

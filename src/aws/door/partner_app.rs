//! Partner AI Apps: `CreatePartnerAppPresignedUrl` and `DescribePartnerApp`.

use aws_sdk_sagemaker::types::PartnerAppStatus;

use super::super::error::{AwsError, sorted};
use super::knock::{Behind, Identity, Knock, Life, State};

pub(super) async fn open(knock: &Knock<'_>, life: Life) -> Result<String, AwsError> {
    let (url_seconds, session_seconds) = life.as_i32();
    let sent = knock
        .client
        .create_partner_app_presigned_url()
        .arn(knock.door.arn.as_str())
        .expires_in_seconds(url_seconds)
        .session_expiration_duration_in_seconds(session_seconds)
        .customize()
        .config_override(knock.settings())
        .send()
        .await;
    let output = sorted("sagemaker:CreatePartnerAppPresignedUrl", sent)?;
    Ok(output.url.unwrap_or_default())
}

pub(super) async fn look(knock: &Knock<'_>) -> Result<Behind, AwsError> {
    let sent = knock
        .client
        .describe_partner_app()
        .arn(knock.door.arn.as_str())
        .customize()
        .config_override(knock.settings())
        .send()
        .await;
    let found = sorted("sagemaker:DescribePartnerApp", sent)?;
    let state = match &found.status {
        Some(PartnerAppStatus::Creating | PartnerAppStatus::Updating) => State::Changes,
        Some(PartnerAppStatus::Available) => State::Runs,
        _ => State::Shut,
    };
    let identity = Identity {
        auth_type: found.auth_type.map(|kind| kind.to_string()).unwrap_or_default(),
        by_session: found.enable_iam_session_based_identity.unwrap_or(false),
    };
    let status = found.status.map(|status| status.to_string()).unwrap_or_default();
    Ok(Behind { state, status, identity: Some(identity) })
}

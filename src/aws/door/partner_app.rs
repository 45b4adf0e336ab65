//! Partner AI Apps: `CreatePartnerAppPresignedUrl` and `DescribePartnerApp`.

use super::super::error::{AwsError, sorted};
use super::super::sagemaker::with_credentials;
use super::{Behind, Identity, Knock, Life, State};

pub(super) async fn open(knock: &Knock<'_>, life: Life) -> Result<String, AwsError> {
    let (url_seconds, session_seconds) = life.as_i32();
    let sent = knock
        .client
        .create_partner_app_presigned_url()
        .arn(knock.door.arn.as_str())
        .expires_in_seconds(url_seconds)
        .session_expiration_duration_in_seconds(session_seconds)
        .customize()
        .config_override(with_credentials(knock.credentials))
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
        .config_override(with_credentials(knock.credentials))
        .send()
        .await;
    let found = sorted("sagemaker:DescribePartnerApp", sent)?;
    let text = |status: Option<&str>| status.unwrap_or_default().to_owned();
    let status = text(found.status.as_ref().map(AsRef::as_ref));
    let state = match status.as_str() {
        "Creating" | "Updating" => State::Changes,
        "Available" => State::Runs,
        _ => State::Shut,
    };
    let identity = Identity {
        auth_type: text(found.auth_type.as_ref().map(AsRef::as_ref)),
        by_session: found.enable_iam_session_based_identity.unwrap_or(false),
    };
    Ok(Behind { state, status, identity: Some(identity) })
}

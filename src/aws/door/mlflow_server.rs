//! `MLflow` tracking servers: `CreatePresignedMlflowTrackingServerUrl` and `DescribeMlflowTrackingServer`.

use super::super::error::{AwsError, sorted};
use super::super::sagemaker::with_credentials;
use super::{Behind, Knock, Life, State};

pub(super) async fn open(knock: &Knock<'_>, life: Life) -> Result<String, AwsError> {
    let (url_seconds, session_seconds) = life.as_i32();
    let sent = knock
        .client
        .create_presigned_mlflow_tracking_server_url()
        .tracking_server_name(knock.door.arn.resource_name())
        .expires_in_seconds(url_seconds)
        .session_expiration_duration_in_seconds(session_seconds)
        .customize()
        .config_override(with_credentials(knock.credentials))
        .send()
        .await;
    let output = sorted("sagemaker:CreatePresignedMlflowTrackingServerUrl", sent)?;
    Ok(output.authorized_url.unwrap_or_default())
}

pub(super) async fn look(knock: &Knock<'_>) -> Result<Behind, AwsError> {
    let sent = knock
        .client
        .describe_mlflow_tracking_server()
        .tracking_server_name(knock.door.arn.resource_name())
        .customize()
        .config_override(with_credentials(knock.credentials))
        .send()
        .await;
    let found = sorted("sagemaker:DescribeMlflowTrackingServer", sent)?;
    let text = |status: Option<&str>| status.unwrap_or_default().to_owned();
    let status = text(found.tracking_server_status.as_ref().map(AsRef::as_ref));
    let is_active = text(found.is_active.as_ref().map(AsRef::as_ref)) == "Active";
    let state = match status.as_str() {
        "Creating" | "Updating" | "Starting" | "MaintenanceInProgress" => State::Changes,
        "Created" | "Updated" | "Started" | "MaintenanceComplete" => State::Runs,
        // What an update or a stop left undone: the server is what it was.
        "UpdateFailed" | "StopFailed" | "MaintenanceFailed" if is_active => State::Runs,
        _ => State::Shut,
    };
    Ok(Behind { state, status, identity: None })
}

//! `MLflow` tracking servers: `CreatePresignedMlflowTrackingServerUrl` and `DescribeMlflowTrackingServer`.

use aws_sdk_sagemaker::types::{IsTrackingServerActive, TrackingServerStatus as Status};

use super::super::error::{AwsError, sorted};
use super::knock::{Behind, Knock, Life, State};

pub(super) async fn open(knock: &Knock<'_>, life: Life) -> Result<String, AwsError> {
    let (url_seconds, session_seconds) = life.as_i32();
    let sent = knock
        .client
        .create_presigned_mlflow_tracking_server_url()
        .tracking_server_name(knock.door.arn.resource_name())
        .expires_in_seconds(url_seconds)
        .session_expiration_duration_in_seconds(session_seconds)
        .customize()
        .config_override(knock.settings())
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
        .config_override(knock.settings())
        .send()
        .await;
    let found = sorted("sagemaker:DescribeMlflowTrackingServer", sent)?;
    let is_active = found.is_active == Some(IsTrackingServerActive::Active);
    let state = match &found.tracking_server_status {
        Some(
            Status::Creating | Status::Updating | Status::Starting | Status::MaintenanceInProgress,
        ) => State::Changes,
        Some(Status::Created | Status::Updated | Status::Started | Status::MaintenanceComplete) => {
            State::Runs
        }
        // What an update or a stop left undone: the server is what it was.
        Some(Status::UpdateFailed | Status::StopFailed | Status::MaintenanceFailed)
            if is_active =>
        {
            State::Runs
        }
        _ => State::Shut,
    };
    let status = found.tracking_server_status.map(|status| status.to_string()).unwrap_or_default();
    Ok(Behind { state, status, identity: None })
}

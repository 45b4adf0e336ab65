//! `MLflow` Apps: `CreatePresignedMlflowAppUrl` and `DescribeMlflowApp`.

use aws_sdk_sagemaker::types::{MaintenanceStatus, MlflowAppStatus};

use super::super::error::{AwsError, sorted};
use super::knock::{Behind, Knock, Life, State};

pub(super) async fn open(knock: &Knock<'_>, life: Life) -> Result<String, AwsError> {
    let (url_seconds, session_seconds) = life.as_i32();
    let sent = knock
        .client
        .create_presigned_mlflow_app_url()
        .arn(knock.door.arn.as_str())
        .expires_in_seconds(url_seconds)
        .session_expiration_duration_in_seconds(session_seconds)
        .customize()
        .config_override(knock.settings())
        .send()
        .await;
    let output = sorted("sagemaker:CreatePresignedMlflowAppUrl", sent)?;
    Ok(output.authorized_url.unwrap_or_default())
}

pub(super) async fn look(knock: &Knock<'_>) -> Result<Behind, AwsError> {
    let sent = knock
        .client
        .describe_mlflow_app()
        .arn(knock.door.arn.as_str())
        .customize()
        .config_override(knock.settings())
        .send()
        .await;
    let found = sorted("sagemaker:DescribeMlflowApp", sent)?;
    let is_in_maintenance =
        found.maintenance_status == Some(MaintenanceStatus::MaintenanceInProgress);
    let state = match &found.status {
        Some(MlflowAppStatus::Creating | MlflowAppStatus::Updating) => State::Changes,
        Some(MlflowAppStatus::Created | MlflowAppStatus::Updated) if is_in_maintenance => {
            State::Changes
        }
        Some(MlflowAppStatus::Created | MlflowAppStatus::Updated) => State::Runs,
        _ => State::Shut,
    };
    let status = found.status.map(|status| status.to_string()).unwrap_or_default();
    Ok(Behind { state, status, identity: None })
}

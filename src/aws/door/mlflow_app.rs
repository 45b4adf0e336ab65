//! `MLflow` Apps: `CreatePresignedMlflowAppUrl` and `DescribeMlflowApp`.

use super::super::error::{AwsError, sorted};
use super::super::sagemaker::with_credentials;
use super::{Behind, Knock, Life, State};

pub(super) async fn open(knock: &Knock<'_>, life: Life) -> Result<String, AwsError> {
    let (url_seconds, session_seconds) = life.as_i32();
    let sent = knock
        .client
        .create_presigned_mlflow_app_url()
        .arn(knock.door.arn.as_str())
        .expires_in_seconds(url_seconds)
        .session_expiration_duration_in_seconds(session_seconds)
        .customize()
        .config_override(with_credentials(knock.credentials))
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
        .config_override(with_credentials(knock.credentials))
        .send()
        .await;
    let found = sorted("sagemaker:DescribeMlflowApp", sent)?;
    let text = |status: Option<&str>| status.unwrap_or_default().to_owned();
    let status = text(found.status.as_ref().map(AsRef::as_ref));
    let maintenance = text(found.maintenance_status.as_ref().map(AsRef::as_ref));
    let state = match status.as_str() {
        "Creating" | "Updating" => State::Changes,
        "Created" | "Updated" if maintenance == "MaintenanceInProgress" => State::Changes,
        "Created" | "Updated" => State::Runs,
        _ => State::Shut,
    };
    Ok(Behind { state, status, identity: None })
}

//! Secrets Manager: the text of one secret.

use aws_config::{Region, SdkConfig};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;

use super::error::{AwsError, sorted};
use super::tables_budget;

/// The text of the secret of this ARN, which may be in another Region than the SDK's; empty where the secret
/// holds bytes.
///
/// # Errors
///
/// It is not there, or cannot be read.
pub async fn text(sdk: &SdkConfig, arn: &str) -> Result<String, AwsError> {
    let mut config = Builder::from(sdk).retry_partition(tables_budget());
    if let Some(region) = arn.split(':').nth(3).filter(|region| !region.is_empty()) {
        config = config.region(Region::new(region.to_owned()));
    }
    let sent = Client::from_conf(config.build()).get_secret_value().secret_id(arn).send().await;
    let output = sorted("secretsmanager:GetSecretValue", sent)?;
    Ok(output.secret_string.unwrap_or_default())
}

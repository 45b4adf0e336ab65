//! The keys for encrypted assertions, where they are a secret of Secrets Manager.

use aws_config::SdkConfig;

use crate::aws::error::{AwsError, Kind};
use crate::aws::secret;
use crate::config::{SettingFault, SettingFaults};
use strict_saml::DecryptionKeys;

/// The keys for encrypted assertions cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The secret could not be read.
    #[error("STUDIO_BROKER_SP_KEY: the secret cannot be read: {0}")]
    Unreadable(AwsError),
    /// There is no such secret, or it holds something else.
    #[error(transparent)]
    Unusable(#[from] SettingFaults),
}

/// Reads the keys from the secret of this ARN.
pub(super) async fn keys_from_secret(
    sdk: &SdkConfig,
    arn: &str,
) -> Result<DecryptionKeys, KeyError> {
    let unusable = |found: String| SettingFaults(vec![SettingFault::sp_key(found)]);
    let pem = secret::text(sdk, arn).await.map_err(|error| match error.kind {
        Kind::Missing => unusable(format!("a secret that is not there, {arn}")).into(),
        _ => KeyError::Unreadable(error),
    })?;
    DecryptionKeys::from_pem(&pem)
        .map_err(|_| unusable(format!("a secret that holds no such key, {arn}")).into())
}

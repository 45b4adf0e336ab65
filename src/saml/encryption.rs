//! Encrypted assertions (<https://www.w3.org/TR/xmlenc-core1/>).
use super::rejection::Rejection;
use super::xml::{Document, Element, Limits};

/// Private keys for encrypted assertions; by default none.
#[derive(Debug, Clone, Default)]
pub struct DecryptionKeys {}

/// Why a decryption key is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecryptionKeyError {
    /// No PEM private key.
    #[error("expected PEM private keys (PKCS#8 or PKCS#1)")]
    NoKey,
}

impl DecryptionKeys {
    /// Reads PEM private keys.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_pem(_pem: &str) -> Result<Self, DecryptionKeyError> {
        Err(DecryptionKeyError::NoKey)
    }

    pub(super) fn certificate(&self) -> Option<&[u8]> {
        None
    }
}

pub(super) fn decrypt(
    _place: Element<'_>,
    _keys: &DecryptionKeys,
    _authentic: bool,
    _limits: Limits,
) -> Result<Document, Rejection> {
    Err(Rejection::DecryptionKeyMissing)
}

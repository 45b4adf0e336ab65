//! This service, and what it waits for.

use jiff::SignedDuration;

use crate::encryption::DecryptionKeys;

/// Which responses are expected.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// IDs of our requests that may be answered.
    pub request_ids: &'a [&'a str],
    /// Whether a response that answers no request is accepted.
    pub unsolicited: bool,
}

/// This service, as identity providers know it.
#[derive(Debug, Clone)]
pub struct ServiceProvider {
    /// Our entity ID: the audience that assertions must name, compared byte for byte.
    pub entity_id: String,
    /// Our assertion consumer service: Destination and Recipient, compared byte for byte.
    pub acs_url: String,
    /// How far clocks may differ, both ways, at every time that is compared.
    pub clock_skew: SignedDuration,
    /// Keys for encrypted assertions; the first is published.
    pub decryption_keys: DecryptionKeys,
}

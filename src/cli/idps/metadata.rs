//! What an identity provider's metadata says: its addresses, its keys, how long their certificates last.

use jiff::Timestamp;
use serde_json::{Value, json};
use strict_saml::{IdpMetadata, MetadataWarning};

use crate::cli::output::{CHANGED, REMOVED, plain, styled};
use crate::mappings::Stored;
use crate::team::idp::Idp;

/// The identity provider, where the item can be used.
pub(super) fn idp_of(stored: &Stored) -> Option<&Idp> {
    stored.mapping().and_then(|mapping| mapping.idp())
}

/// Whole days until a moment; negative when it has passed.
pub(super) fn days_left(until: Timestamp, now: Timestamp) -> i64 {
    (until.as_second() - now.as_second()).div_euclid(86_400)
}

/// What metadata says, for programs.
pub(super) fn as_json(metadata: &IdpMetadata, now: Timestamp) -> Value {
    let keys = metadata.signing_keys().iter().map(|key| {
        json!({
            "fingerprint": key.fingerprint(),
            "algorithm": key.algorithm(),
            "not_before": key.not_before(),
            "not_after": key.not_after(),
            "days_left": days_left(key.not_after(), now),
        })
    });
    let warnings = metadata.warnings(now);
    json!({
        "entity_id": metadata.entity_id(),
        "sso_redirect_url": metadata.sso_redirect_url(),
        "sso_post_url": metadata.sso_post_url(),
        "signing_keys": keys.collect::<Vec<_>>(),
        "warnings": warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// What metadata says, in words.
pub(super) fn in_words(metadata: &IdpMetadata, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    let addresses =
        [("HTTP-Redirect", metadata.sso_redirect_url()), ("HTTP-POST", metadata.sso_post_url())];
    for (binding, address) in addresses {
        if let Some(address) = address {
            lines.push(format!("sign-in address ({binding}): {}", plain(address)));
        }
    }
    if metadata.sso_redirect_url().is_none() {
        lines.push("no HTTP-Redirect address: people start from its portal (portal_url)".into());
    }
    for key in metadata.signing_keys() {
        let days = days_left(key.not_after(), now);
        let until = key.not_after().to_string();
        let day = until.split('T').next().unwrap_or_default();
        let left = match days {
            ..0 => styled(REMOVED, format!("ended {} days ago", -days)),
            0..30 => styled(CHANGED, format!("{days} days left")),
            _ => format!("{days} days left"),
        };
        let fingerprint: String = key.fingerprint().chars().take(16).collect();
        lines.push(format!(
            "key {fingerprint}…: {}, certificate until {day}, {left}",
            key.algorithm()
        ));
    }
    let unused = metadata.warnings(now).into_iter().filter(|warning| {
        matches!(
            warning,
            MetadataWarning::KeyUnusable { .. }
                | MetadataWarning::IssuerNotTrusted { .. }
                | MetadataWarning::ChainUnclear { .. }
                | MetadataWarning::KeyWithoutCertificate
                | MetadataWarning::Outdated { .. }
                | MetadataWarning::ValidUntilMalformed { .. }
        )
    });
    lines.extend(unused.map(|warning| styled(CHANGED, plain(&warning.to_string()))));
    lines
}

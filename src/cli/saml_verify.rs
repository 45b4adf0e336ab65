//! `studio-broker saml verify`: a response that a file holds, held against one `IdP`'s metadata.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Exit;
use crate::saml::{
    Assertion, DecryptionKeys, Expected, IdpMetadata, RequireSigned, ServiceProvider,
    UnverifiedResponse,
};

#[derive(Debug, clap::Args)]
#[command(
    before_help = "Example:\n  studio-broker saml verify --idp-metadata idp.xml --sp-entity-id https://studio.example.com/saml/metadata \\\n    --acs-url https://studio.example.com/saml/acs --at 2026-01-31T12:00:00Z response.xml",
    after_help = "Exit codes: 0 accepted, 2 wrong arguments or unreadable files, 3 refused."
)]
pub(super) struct Arguments {
    /// The identity provider's SAML metadata.
    #[arg(long, value_name = "FILE")]
    idp_metadata: PathBuf,
    /// Our entity ID, the audience that the assertion must name.
    #[arg(long, value_name = "ID")]
    sp_entity_id: String,
    /// Our assertion consumer service, the destination and recipient.
    #[arg(long, value_name = "URL")]
    acs_url: String,
    /// The moment that counts as now, such as 2026-01-31T12:00:00Z; the clock when absent.
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
    /// ID of the request that the response must answer; without it the response counts as unsolicited.
    #[arg(long, value_name = "ID")]
    in_response_to: Option<String>,
    /// RSA private keys as PEM, for encrypted assertions.
    #[arg(long, value_name = "PEM_FILE")]
    sp_key: Option<PathBuf>,
    /// Says in words what was checked, on standard error.
    #[arg(long)]
    explain: bool,
    /// The response, as XML or base64.
    #[arg(value_name = "RESPONSE_FILE")]
    response: PathBuf,
}

/// The skew that `STUDIO_BROKER_CLOCK_SKEW_SECONDS` has by default.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

pub(super) fn run(arguments: &Arguments) -> Exit {
    let files = (|| {
        let key = arguments.sp_key.as_deref().map(read).transpose()?;
        Ok((read(&arguments.idp_metadata)?, read(&arguments.response)?, key))
    })();
    let (metadata, response, key): (_, _, Option<Vec<u8>>) = match files {
        Ok(files) => files,
        Err(message) => {
            let message: String = message;
            eprintln!("error: {message}");
            return Exit::Usage;
        }
    };
    match verify(arguments, &metadata, &response, key.as_deref()) {
        Ok(assertion) => {
            if arguments.explain {
                explain(&assertion);
            }
            println!("{}", summary(&assertion));
            Exit::Done
        }
        Err(refused) => {
            if arguments.explain && !refused.detail.is_empty() {
                eprintln!("{}", refused.detail);
            }
            eprintln!("{}", json!({"error": {"code": refused.code, "message": refused.message}}));
            Exit::Refused
        }
    }
}

struct Refused {
    code: String,
    message: String,
    detail: String,
}

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
fn verify(
    arguments: &Arguments,
    metadata: &[u8],
    response: &[u8],
    key: Option<&[u8]>,
) -> Result<Assertion, Refused> {
    let metadata = IdpMetadata::parse(metadata).map_err(|error| Refused {
        code: error.code().into(),
        message: error.to_string(),
        detail: String::new(),
    })?;
    let decryption_keys = match key {
        None => DecryptionKeys::default(),
        Some(pem) => {
            DecryptionKeys::from_pem(&String::from_utf8_lossy(pem)).map_err(|error| Refused {
                code: "sp_key_unusable".into(),
                message: error.to_string(),
                detail: String::new(),
            })?
        }
    };
    let service_provider = ServiceProvider {
        entity_id: arguments.sp_entity_id.clone(),
        acs_url: arguments.acs_url.clone(),
        clock_skew: SKEW,
        decryption_keys,
    };
    let request_ids: Vec<_> = arguments.in_response_to.as_deref().into_iter().collect();
    let expected =
        Expected { request_ids: &request_ids, unsolicited: arguments.in_response_to.is_none() };
    let now = arguments.at.unwrap_or_else(Timestamp::now);
    UnverifiedResponse::from_file(response)
        .and_then(|response| {
            let require_signed = RequireSigned::Either;
            service_provider.validate(response, &metadata, require_signed, expected, now)
        })
        .map_err(|rejection| Refused {
            code: rejection.code().into(),
            message: rejection.to_string(),
            detail: rejection.detail(),
        })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn summary(assertion: &Assertion) -> serde_json::Value {
    let name_id = assertion.name_id();
    json!({
        "issuer": assertion.issuer(),
        "assertion_id": assertion.id(),
        "subject": {"name_id": name_id.value, "format": name_id.format},
        "session_index": assertion.session_index(),
        "not_on_or_after": assertion.not_on_or_after(),
        "attributes": assertion.attributes(),
    })
}

fn explain(assertion: &Assertion) {
    eprintln!("accepted: signed by the key {}", assertion.key_fingerprint());
    eprintln!("issuer, status, destination, recipient, audience and times hold");
    eprintln!("valid until {} (without skew)", assertion.not_on_or_after());
}

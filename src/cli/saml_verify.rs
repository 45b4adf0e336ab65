//! `studio-broker saml verify`: a response that a file holds, held against one `IdP`'s metadata.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::output::{Failure, Format, document, plain, say, say_json, warn};
use super::saml_explain::{
    Against, Decision, checks, decide, overage, required, say_checks, say_decision, spaced,
    without_added_space,
};
use super::{Exit, mapping_file, saml_input};
use crate::mappings::file::{FileFault, FileFaults, MappingFile};
use strict_saml::{
    Assertion, DecryptionKeys, Expected, IdpMetadata, Rejection, RequireSigned, ServiceProvider,
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
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    at: Option<Timestamp>,
    /// ID of the request that the response must answer; without it the response counts as unsolicited.
    #[arg(long, value_name = "ID")]
    in_response_to: Option<String>,
    /// RSA private keys as PEM, for encrypted assertions.
    #[arg(long, value_name = "PEM_FILE")]
    sp_key: Option<PathBuf>,
    /// Says every check with what was expected and got, on standard error.
    #[arg(long)]
    explain: bool,
    /// Teams and IdPs as a file: says which mapping decides about which team.
    #[arg(long, value_name = "FILE", requires = "explain")]
    mappings: Option<PathBuf>,
    /// The response: XML, base64, the form's body (SAMLResponse=…) or a HAR file.
    #[arg(value_name = "RESPONSE_FILE")]
    response: PathBuf,
}

/// The skew that `STUDIO_BROKER_CLOCK_SKEW_SECONDS` has by default.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) fn run(arguments: &Arguments, format: Format) -> Result<Exit, Failure> {
    let key = arguments.sp_key.as_deref().map(read).transpose()?;
    let metadata = read(&arguments.idp_metadata)?;
    let (response, doubt) = saml_input::response(read(&arguments.response)?);
    if let Some(doubt) = doubt {
        warn(format!("{}: {doubt}", plain(&arguments.response.to_string_lossy())));
    }
    let mappings = arguments.mappings.as_deref().map(usable_mappings).transpose()?;
    let now = arguments.at.unwrap_or_else(Timestamp::now);
    let verified = prepare(arguments, &metadata, key.as_deref()).and_then(|verifier| {
        let verified = verifier.verify(&response, RequireSigned::Either, now);
        if arguments.explain {
            explain(arguments, &verifier, &response, &verified, mappings.as_ref(), now, format);
        }
        verified.map_err(|rejection| Refused {
            code: rejection.code().into(),
            message: rejection.to_string(),
        })
    });
    match verified {
        Ok(assertion) => {
            document(&format!("{}\n", json!(assertion)));
            Ok(Exit::Done)
        }
        Err(Refused { code, message }) => {
            say_json(&json!({"error": {"code": code, "message": message}}));
            Ok(Exit::Refused)
        }
    }
}

/// What of a file of mappings can be used: an item of somebody else's that cannot is one line, and hides
/// nothing about the response.
fn usable_mappings(path: &Path) -> Result<MappingFile, Failure> {
    let (file, faults) = mapping_file::read_usable(path)?;
    let Some(file) = file else { return Err(Failure::of_files(&FileFaults::new(faults))) };
    warn_of_each(&faults);
    Ok(file)
}

fn warn_of_each(faults: &[FileFault]) {
    for FileFault { file, line, message, .. } in faults {
        warn(format!("{file}:{line}: {message}"));
    }
}

struct Refused {
    code: String,
    message: String,
}

/// Everything that a response is held against.
struct Verifier<'a> {
    metadata: IdpMetadata,
    service_provider: ServiceProvider,
    request_ids: Vec<&'a str>,
}

impl Verifier<'_> {
    fn verify(
        &self,
        response: &[u8],
        require_signed: RequireSigned,
        now: Timestamp,
    ) -> Result<Assertion, Rejection> {
        let request_ids = self.request_ids.as_slice();
        let expected = Expected { request_ids, unsolicited: request_ids.is_empty() };
        let response = UnverifiedResponse::from_file(response)?;
        self.service_provider.validate(response, &self.metadata, require_signed, expected, now)
    }
}

fn prepare<'a>(
    arguments: &'a Arguments,
    metadata: &[u8],
    key: Option<&[u8]>,
) -> Result<Verifier<'a>, Refused> {
    let metadata = IdpMetadata::parse(metadata)
        .map_err(|error| Refused { code: error.code().into(), message: error.to_string() })?;
    let decryption_keys = match key {
        None => DecryptionKeys::default(),
        Some(pem) => DecryptionKeys::from_pem(&String::from_utf8_lossy(pem)).map_err(|error| {
            Refused { code: "sp_key_unusable".into(), message: error.to_string() }
        })?,
    };
    let service_provider = ServiceProvider {
        entity_id: arguments.sp_entity_id.clone(),
        acs_url: arguments.acs_url.clone(),
        clock_skew: SKEW,
        decryption_keys,
    };
    let request_ids = arguments.in_response_to.as_deref().into_iter().collect();
    Ok(Verifier { metadata, service_provider, request_ids })
}

/// A time of RFC 3339 and no other of ISO 8601; what lies beyond the last moment that can be held is that.
fn moment(text: &str) -> Result<Timestamp, String> {
    const EXPECTED: &str = "expected a time of RFC 3339, such as 2026-01-31T12:00:00Z";
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let (date_time, rest) = shape.split_at_checked(19).ok_or(EXPECTED)?;
    let zone = match rest.strip_prefix('.') {
        Some(part) if part.starts_with('0') => part.trim_start_matches('0'),
        Some(_) => return Err(EXPECTED.into()),
        None => rest,
    };
    let is_date_time = date_time.eq_ignore_ascii_case("0000-00-00T00:00:00");
    if !is_date_time || !matches!(zone, "Z" | "z" | "+00:00" | "-00:00") {
        return Err(EXPECTED.into());
    }
    match text.parse() {
        Ok(at) => Ok(at),
        Err(_) if text.starts_with("9999-12-31T") => Ok(Timestamp::MAX),
        Err(error) => Err(format!("{EXPECTED}: {error}")),
    }
}

/// A file, but no more of it than is needed to tell that it is too large.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    const LONGEST: u64 = 64 * 1024 * 1024;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::usage(format!("cannot read {}: {error}", path.display()))),
    }
}

/// Says every check and, with a file of mappings, what they decide.
fn explain(
    arguments: &Arguments,
    verifier: &Verifier<'_>,
    response: &[u8],
    verified: &Result<Assertion, Rejection>,
    mappings: Option<&MappingFile>,
    now: Timestamp,
    format: Format,
) {
    let against = Against {
        metadata: &verifier.metadata,
        sp_entity_id: &arguments.sp_entity_id,
        acs_url: &arguments.acs_url,
        in_response_to: arguments.in_response_to.as_deref(),
        now,
        skew: SKEW,
    };
    let checks = checks(&against, verified.as_ref());
    let hint = match verified {
        Ok(assertion) => overage(assertion),
        Err(rejection) => without_added_space(response).and_then(|without| {
            spaced(rejection, verifier.verify(&without, RequireSigned::Either, now).as_ref())
        }),
    };
    let decision = mappings.zip(verified.as_ref().ok()).map(|(file, assertion)| {
        let required = required(file, assertion);
        match verifier.verify(response, required, now) {
            Ok(assertion) => decide(file, &assertion, now),
            Err(rejection) => Decision {
                person: format!("the IdP's require_signed: {}", rejection.detail()),
                owner: None,
                teams: Vec::new(),
            },
        }
    });
    match format {
        Format::Table => {
            say_checks(&checks);
            if let Some(hint) = hint {
                say(format!("hint         {hint}"));
            }
            if let Some(decision) = decision {
                say_decision(&decision);
            }
        }
        Format::Json => {
            say_json(&json!({"checks": checks, "decision": decision, "hint": hint}));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_of_rfc_3339() {
        for good in [
            "2026-01-31T12:00:00Z",
            "2026-01-31t12:00:00.123z",
            "2026-01-31T12:00:00+01:00",
            "9999-12-31T23:59:59Z",
        ] {
            assert!(moment(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "now",
            "2026-01-31",
            "2026-01-31T12Z",
            "20260131T120000Z",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00+0100",
            "2026-01-31T12:00:00Z[UTC]",
            "2026-13-31T12:00:00Z",
        ] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}

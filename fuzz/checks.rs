//! What must hold of any bytes whatsoever: one function for each fuzz target. Those of the
//! SAML core stand beside it, in saml/fuzz/checks.rs.
//!
//! Compiled twice: into the fuzz targets, where coverage chooses the bytes, and into the unit tests,
//! which replay the committed ones. A check that does not hold panics.

use std::sync::LazyLock;

use serde_json::{Value, json};
use strict_saml::UnverifiedResponse;

use crate::config::{ClientAddress, PublicUrl, Settings};
use crate::http::event;
use crate::http::form::Form;
use crate::mappings;
use crate::team::Team;
use crate::team::idp::Idp;
use crate::team::item::Item;
use crate::team::owner::{Owner, profile_name};

/// What must hold of any bytes, or it panics.
pub type Check = fn(&[u8]);

/// A check for each target, by its name.
pub const ALL: [(&str, Check); 3] = [("form", form), ("event", event), ("items", items)];

/// A form is read or refused, and its response is judged like any other.
pub fn form(body: &[u8]) {
    let Some(form) = Form::read(body) else { return };
    if let Ok(response) = UnverifiedResponse::from_base64(form.saml_response.as_bytes()) {
        let _ = response.unverified_issuer();
    }
}

/// An event of any shape is a request that can be answered in the same shape, or none.
pub fn event(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let Some((request, front)) = event::request(value) else { return };
    for public in ["https://a.example", "https://a.example/prod"] {
        let Some(public) = PublicUrl::parse(public) else { continue };
        assert!(!request.route_path(&public).is_empty());
    }
    for source in [ClientAddress::Direct, ClientAddress::Forwarded(1), ClientAddress::Forwarded(3)]
    {
        let _ = request.client_address(source);
    }
    let _ = (request.query_value("idp"), request.query_value("team"));
    form(request.body.whole());
    let mut response = http::Response::new("ä".to_owned());
    for cookie in ["a=1", "b=2", "c=3"] {
        let value = http::HeaderValue::from_static(cookie);
        response.headers_mut().append(http::header::SET_COOKIE, value);
    }
    let answer = event::response(response, front);
    assert_eq!(answer["statusCode"], 200);
    assert!(["a=1", "b=2", "c=3"].iter().all(|cookie| answer.to_string().contains(cookie)));
}

/// An item is read or refused with its place; what is read keeps the promises of its type.
pub fn items(bytes: &[u8]) {
    let Ok(item) = serde_json::from_slice::<Item>(bytes) else { return };
    match Team::read(&item) {
        Ok(read) => {
            let team = read.value;
            let role = team.broker_role("StudioBrokerTarget");
            for arn in [&role, &team.execution_role_arn] {
                assert_eq!(arn.account(), team.account_id.as_str());
                assert_eq!(arn.partition(), team.region.partition());
            }
            assert!(
                !team.user_settings.keys().any(|key| key.eq_ignore_ascii_case("executionrole"))
            );
            assert!(team.tags.len() <= 48);
            let name = profile_name("default", team.name(), &team.team_id);
            assert!(
                name.len() <= 63 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            );
            assert!((2..=64).contains(&Owner::new("default", team.name()).as_str().len()));
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
    match Idp::read(&item) {
        Ok(read) => assert_eq!(read.value.entity_id, read.value.metadata.entity_id()),
        Err(faults) => assert!(!faults.is_empty()),
    }
    for table in ["studio-broker-teams", "studio-broker-idps", "other"] {
        let event = json!({"Records": [{
            "eventSource": "aws:dynamodb",
            "eventSourceARN": format!("arn:aws:dynamodb:eu-west-1:111111111111:table/{table}/stream/1"),
            "dynamodb": {"Keys": item, "NewImage": item},
        }]});
        assert!(mappings::stream::is_stream_event(&event));
        mappings::stream::validate(&SETTINGS, &event);
    }
}

/// As the validator of mappings runs with.
static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let public_url =
        |name: &str| (name == "STUDIO_BROKER_PUBLIC_URL").then(|| "https://sp.example".into());
    Settings::read(public_url).unwrap()
});

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn replay(folder: &str, check: fn(&[u8])) -> usize {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let Ok(files) = std::fs::read_dir(folder) else { return 0 };
        files.map(|file| check(&std::fs::read(file.unwrap().path()).unwrap())).count()
    }

    #[test]
    fn every_check_holds_of_every_committed_seed() {
        for (name, check) in ALL {
            let seeds = replay(&format!("fuzz/seeds/{name}"), check);
            assert!(seeds >= 3, "{name}");
        }
    }

    #[test]
    fn every_check_holds_of_every_fixture() {
        for folder in ["responses", "refused", "attacks"] {
            for (_, check) in ALL {
                assert!(replay(&format!("tests/fixtures/{folder}"), check) > 30, "{folder}");
            }
        }
    }
}

//! Decides about worlds, one JSON object a line on standard input, as a sign-in would; the tests hold the
//! answers against the same rules written a second time (`tests/decision`).
//!
//! With an argument, a metadata file, it prints the fingerprints of that file's keys and nothing else.

use std::io::{BufRead as _, Write as _};

use jiff::Timestamp;
use serde_json::{Value, json};
use strict_saml::IdpMetadata;
use studio_broker::team::entitlement::{self, Case, Check, Grants, Said, Target};
use studio_broker::team::idp::Idp;
use studio_broker::team::item::Item;
use studio_broker::team::members::Until;
use studio_broker::team::{Team, TeamId, groups_as_written};

type Failure = Box<dyn std::error::Error>;

const METADATA: &str = include_str!("../tests/fixtures/metadata/idp.xml");

fn main() -> Result<(), Failure> {
    if let Some(file) = std::env::args().nth(1) {
        let metadata = IdpMetadata::parse(&std::fs::read(file)?)?;
        let keys: Vec<_> = metadata.signing_keys().iter().map(|key| key.fingerprint()).collect();
        println!("{}", json!(keys));
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let world: Value = serde_json::from_str(&line?)?;
        writeln!(out, "{}", decide(&world)?)?;
    }
    Ok(())
}

fn decide(world: &Value) -> Result<Value, Failure> {
    let mut idp = item(part(world, "idp"));
    idp.insert("metadata_xml".into(), METADATA.into());
    let idp = Idp::read(&idp).map_err(|faults| format!("the IdP: {faults:?}"))?.value;
    let id = TeamId::try_from(text(part(world, "team_id")))?;
    let team = part(world, "team").is_object().then(|| item(part(world, "team")));
    let read = team.as_ref().map(|team| Team::read(team).map(|read| read.value));
    let grants = team.as_ref().map(Grants::of).unwrap_or_default();
    let target = match &read {
        None => Target::Missing(&id),
        Some(Ok(team)) => Target::Usable(team),
        Some(Err(_)) => Target::Unusable(&id, &grants),
    };
    let said = part(world, "said");
    let (directory, user_id) = (text(part(said, "directory")), text(part(said, "user_id")));
    let (teams, groups) = (texts(part(said, "teams")), texts(part(said, "groups")));
    let groups = groups_as_written(&idp.entity_id, &groups, &texts(part(world, "entity_ids")));
    let (contexts, key) = (texts(part(said, "authn_contexts")), text(part(said, "key")));
    let said = Said {
        directory: &directory,
        user_id: &user_id,
        teams: &teams,
        groups: &groups,
        authn_contexts: &contexts,
        key: Some(&key),
    };
    let client = part(world, "client").as_str().map(str::parse).transpose()?;
    let now = part(world, "now").as_i64().ok_or("now")?;
    let now = Timestamp::from_nanosecond(i128::from(now))?;
    let case = Case { idp: &idp, said, target, client, now };
    let decided = entitlement::person(&idp, &said).and_then(|()| entitlement::team(&case));
    Ok(match (decided, &read) {
        (Ok(admission), Some(Ok(team))) => {
            let until = match admission.until() {
                Until::Always => Value::Null,
                // Nanoseconds to the end of the calendar are more than a JSON number holds.
                Until::At(end) => Value::String(end.as_nanosecond().to_string()),
            };
            let seconds = admission.session_seconds(team, now);
            json!({"refused": null, "until": until, "session_seconds": seconds})
        }
        (Ok(_), _) => return Err("a team that cannot be used opens".into()),
        (Err(check), _) => json!({"refused": name(check)}),
    })
}

fn name(check: Check) -> &'static str {
    match check {
        Check::IdpEnabled => "idp_enabled",
        Check::SameDirectory => "same_directory",
        Check::KeyTrusted => "key_trusted",
        Check::NotDenied => "not_denied",
        Check::IdpContext => "idp_context",
        Check::IdpAllows => "idp_allows",
        Check::Entitled => "entitled",
        Check::Readable => "readable",
        Check::Enabled => "enabled",
        Check::Network => "network",
        Check::TeamContext => "team_context",
    }
}

fn part<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn item(value: &Value) -> Item {
    value.as_object().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

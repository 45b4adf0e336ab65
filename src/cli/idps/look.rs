//! `idps list · show`: the identity providers as the table has them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::metadata::{self, days_left, idp_of};
use crate::cli::Exit;
use crate::cli::hub::Hub;
use crate::cli::output::{
    ADDED, CHANGED, Code, Failure, Format, REMOVED, STRONG, count, data, hint, item_lines, json,
    plain, say, styled, table, word,
};
use crate::mappings::{Stored, Table};
use crate::team::item::excerpt;

/// What an identity provider is to its people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum IdpState {
    /// People sign in there.
    Enabled,
    /// It is switched off.
    Disabled,
    /// Its item cannot be used.
    Unusable,
}

pub(super) async fn list(
    hub: &Hub,
    wanted: Option<IdpState>,
    now: Timestamp,
    format: Format,
) -> Result<Exit, Failure> {
    let mut idps = hub.stored(Table::Idps).await?;
    idps.retain(|_, stored| wanted.is_none_or(|wanted| state_of(stored) == wanted));
    if format == Format::Json {
        let idps: Vec<_> = idps.values().map(|stored| as_json(stored, now)).collect();
        json(&json!({ "idps": idps }));
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = idps.iter().map(|(key, stored)| row(key, stored, now)).collect();
    data(table(["ENTITY ID", "NAME", "DIRECTORY", "TEAMS", "DAYS LEFT", "STATE"], &rows));
    say(count(idps.len(), "identity provider"));
    if let Some((key, _)) = idps.iter().find(|(_, stored)| stored.read.is_err()) {
        hint(format!("studio-broker idps show {}", word(key)));
    }
    Ok(Exit::Done)
}

fn row(key: &str, stored: &Stored, now: Timestamp) -> [String; 6] {
    let text =
        |name: &str| stored.item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let idp = idp_of(stored);
    let teams = match stored.item.get("allowed_teams").and_then(Value::as_array) {
        Some(teams) if teams.iter().any(|team| team == "*") => "all".to_owned(),
        Some(teams) => teams.len().to_string(),
        None => String::new(),
    };
    // The last certificate to end decides until when people can sign in.
    let days = idp.and_then(|idp| {
        idp.metadata.signing_keys().iter().map(|key| days_left(key.not_after(), now)).max()
    });
    [
        key.to_owned(),
        text("display_name"),
        idp.map_or_else(|| text("directory"), |idp| idp.directory.clone()),
        teams,
        days.map_or_else(String::new, |days| days.to_string()),
        state(stored).to_owned(),
    ]
}

fn state_of(stored: &Stored) -> IdpState {
    match idp_of(stored) {
        None => IdpState::Unusable,
        Some(idp) if idp.enabled => IdpState::Enabled,
        Some(_) => IdpState::Disabled,
    }
}

fn state(stored: &Stored) -> &'static str {
    match state_of(stored) {
        IdpState::Unusable => "cannot be used",
        IdpState::Enabled => "enabled",
        IdpState::Disabled => "disabled",
    }
}

fn as_json(stored: &Stored, now: Timestamp) -> Value {
    let faults: Vec<_> = stored.faults().iter().map(ToString::to_string).collect();
    let mut shown = json!({
        "item": stored.item,
        "state": state(stored),
        "faults": faults,
        "unknown_attributes": stored.unknown_attributes,
    });
    if let (Some(idp), Some(shown)) = (idp_of(stored), shown.as_object_mut()) {
        shown.insert("metadata".into(), metadata::as_json(&idp.metadata, now));
    }
    shown
}

pub(super) async fn show(
    hub: &Hub,
    wanted: &str,
    now: Timestamp,
    format: Format,
) -> Result<Exit, Failure> {
    let idps = hub.stored(Table::Idps).await?;
    let is = |key: &str, stored: &Stored| {
        let name = stored.item.get("display_name").and_then(Value::as_str);
        key == wanted || name.is_some_and(|name| name.to_lowercase() == wanted.to_lowercase())
    };
    let found: Vec<_> = idps.iter().filter(|(key, stored)| is(key, stored)).collect();
    if found.is_empty() {
        let message =
            format!("no identity provider has the entity ID or display name {}", excerpt(wanted));
        return Err(Failure::new(Exit::Failed, message)
            .code(Code::NotFound)
            .hint("studio-broker idps list"));
    }
    if format == Format::Json {
        let idps: Vec<_> = found.iter().map(|(_, stored)| as_json(stored, now)).collect();
        json(&json!({ "idps": idps }));
        return Ok(Exit::Done);
    }
    for (key, stored) in found {
        let style = match state(stored) {
            "enabled" => ADDED,
            "disabled" => CHANGED,
            _ => REMOVED,
        };
        let heading = styled(STRONG, format!("IdP {}", plain(key)));
        data(format!("{heading}: {}", styled(style, state(stored))));
        for fault in stored.faults() {
            data(format!("  cannot be used: {fault}"));
        }
        for name in &stored.unknown_attributes {
            data(format!("  {}: nobody knows this attribute", plain(name)));
        }
        for line in item_lines(&stored.item) {
            data(format!("  {line}"));
        }
        for line in
            idp_of(stored).map(|idp| metadata::in_words(&idp.metadata, now)).unwrap_or_default()
        {
            data(format!("  {line}"));
        }
    }
    Ok(Exit::Done)
}

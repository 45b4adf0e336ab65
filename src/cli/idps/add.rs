//! `idps add`: an identity provider by its metadata, or the metadata of a known one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap_complete::ArgValueCompleter;
use jiff::Timestamp;
use serde_json::{Value, json};
use strict_saml::IdpMetadata;

use super::metadata::{as_json, idp_of, in_words};
use crate::cli::again::again;
use crate::cli::hub::Hub;
use crate::cli::input::text_of;
use crate::cli::mapping_file::{self, DryRun, Orders, Removals};
use crate::cli::output::{Failure, Format, STRONG, count, data, hint, plain, styled, warn, word};
use crate::cli::{Exit, completions};
use crate::config::{Audience, environment};
use crate::mappings::plan::{Change, Plan, State};
use crate::mappings::{Stored, Table};
use crate::team::idp::Idp;
use crate::team::item::{Item, excerpt};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The identity provider's SAML metadata.
    #[arg(value_name = "METADATA_FILE")]
    file: PathBuf,
    /// The teams that it may grant at most.
    #[arg(
        long,
        value_name = "TEAM,…",
        value_delimiter = ',',
        conflicts_with = "all_teams",
        add = ArgValueCompleter::new(completions::team_ids)
    )]
    teams: Vec<String>,
    /// It may grant every team, those to come included.
    #[arg(long)]
    all_teams: bool,
    /// The name space of its user ids: needed from the second identity provider on.
    #[arg(long, value_name = "NAME")]
    directory: Option<String>,
    /// Name on the page where a person chooses.
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// Its portal's https address, where people start from there.
    #[arg(long, value_name = "URL")]
    portal_url: Option<String>,
    /// Replaces metadata with which the new one shares no key.
    #[arg(long)]
    replace_keys: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

pub(super) async fn run(
    arguments: &Arguments,
    now: Timestamp,
    format: Format,
) -> Result<Exit, Failure> {
    let xml = text_of(&arguments.file).map_err(|error| {
        Failure::usage(format!("{}: {error}", plain(&arguments.file.to_string_lossy())))
    })?;
    let metadata = IdpMetadata::parse(xml.as_bytes()).map_err(|error| {
        let file = plain(&arguments.file.to_string_lossy());
        Failure::usage(format!("{file}: {}", plain(&error.to_string())))
    })?;
    let audience = Audience::read(environment)?;
    let hub = Hub::connect().await?;
    let state = mapping_file::state(&hub, |table| table == Table::Idps).await?;
    let key = metadata.entity_id().to_owned();
    if format == Format::Table {
        data(styled(STRONG, format!("IdP {}", plain(&key))));
        for line in in_words(&metadata, now) {
            data(format!("  {line}"));
        }
    }
    let item = match state.idps.get(&key) {
        Some(known) => {
            share_a_key(arguments, &key, known, &metadata)?;
            with_metadata(arguments, &key, known, xml)?
        }
        None => new_item(arguments, &key, xml, &state)?,
    };
    let read = Table::Idps.read(&item).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(|fault| format!("\n  {fault}")).collect();
        Failure::usage(format!("{}:{}", excerpt(&key), faults.concat()))
    })?;
    let change = Change::to(Table::Idps, &key, state.idps.get(&key), &item, &read.value);
    let told = told(audience.as_ref(), read.value.idp());
    let plan = Plan::of(change, &read.value, &state);
    let more = json!({
        "metadata": as_json(&metadata, now),
        "enter_at_the_idp": told.iter().map(|(name, value)| json!({name: value})).collect::<Vec<_>>(),
    });
    let removals = Removals::none(arguments.dry_run);
    let orders = Orders::of(&removals, Some(more));
    let exit = mapping_file::carry_out(&hub, plan, orders, format).await?;
    if format == Format::Table {
        data(styled(STRONG, "enter at the identity provider"));
        for (name, value) in told {
            data(format!("  {name}: {value}"));
        }
        if audience.is_none() {
            let command = again("--dry-run");
            hint(command.map(|command| {
                format!("STUDIO_BROKER_PUBLIC_URL=https://studio.example.com {command}")
            }));
        }
    }
    Ok(exit)
}

/// Metadata that shares no key with what is there is another application's more often than a change of
/// certificate: whoever signs in through the old one would be shut out.
fn share_a_key(
    arguments: &Arguments,
    key: &str,
    known: &Stored,
    new: &IdpMetadata,
) -> Result<(), Failure> {
    let Some(old) = idp_of(known).map(|idp| &idp.metadata) else { return Ok(()) };
    let shared = old.signing_keys().iter().any(|old| new.has_key(old.fingerprint()));
    if shared || arguments.replace_keys {
        return Ok(());
    }
    let message = format!(
        "{}: this metadata has none of the {} by which people sign in there now.\n  Written, nobody whose sign-in \
         is signed by {} gets in any more, and open sessions of theirs end.\n  A second application of one \
         tenant has the same entity ID and another certificate: each needs an entity ID of its own (infra/README.md).\n  \
         A change of certificate without a gap begins with metadata that holds both keys.",
        excerpt(key),
        count(old.signing_keys().len(), "key"),
        if old.signing_keys().len() == 1 { "it" } else { "them" },
    );
    Err(Failure::usage(message).hint(again("--replace-keys")))
}

/// The known item with other metadata and nothing else changed.
fn with_metadata(
    arguments: &Arguments,
    key: &str,
    known: &Stored,
    xml: String,
) -> Result<Item, Failure> {
    if let Some(fault) = known.unwritable.first() {
        let message = format!("{} holds what cannot be kept: {fault}", excerpt(key));
        return Err(Failure::new(Exit::Failed, message)
            .hint(format!("studio-broker idps show {}", word(key))));
    }
    let Arguments { teams, all_teams, directory, display_name, portal_url, .. } = arguments;
    let more = !teams.is_empty()
        || *all_teams
        || directory.is_some()
        || display_name.is_some()
        || portal_url.is_some();
    if more {
        warn(
            "the identity provider is known: only its metadata is replaced, the other options are ignored",
        );
    }
    let mut item = known.item.clone();
    item.insert("metadata_xml".into(), Value::String(xml));
    Ok(item)
}

fn new_item(arguments: &Arguments, key: &str, xml: String, state: &State) -> Result<Item, Failure> {
    let Arguments { teams, all_teams, directory, display_name, portal_url, .. } = arguments;
    let (mut asked, mut options) = (Vec::new(), Vec::new());
    if teams.is_empty() && !all_teams {
        asked.push("which teams may it grant at most? --teams names them, --all-teams means every team, those to come included".to_owned());
        let ids: Vec<_> = state.teams.keys().take(2).map(|id| word(id)).collect();
        let ids = if ids.is_empty() { "team1,team2".to_owned() } else { ids.join(",") };
        options.push(format!("--teams {ids}"));
    }
    if directory.is_none() && !state.idps.is_empty() {
        let directories: BTreeSet<_> = state
            .idps
            .values()
            .map(|stored| idp_of(stored).map_or("default", |idp| idp.directory.as_str()))
            .collect();
        let known: Vec<_> = directories.into_iter().collect();
        asked.push(format!(
            "whose people are these? --directory is the name space of their user ids: {} only if the same user id means the same person there, else a new name",
            known.join(" or ")
        ));
        options.push("--directory NAME".to_owned());
    }
    if !asked.is_empty() {
        let message = format!("{} is new here:\n  {}", excerpt(key), asked.join("\n  "));
        return Err(Failure::usage(message).hint(again(&options.join(" "))));
    }
    let allowed: Vec<String> = if *all_teams { vec!["*".into()] } else { teams.clone() };
    let mut item = Item::new();
    item.insert("entity_id".into(), json!(key));
    item.insert("metadata_xml".into(), Value::String(xml));
    item.insert("allowed_teams".into(), json!(allowed));
    let optional =
        [("directory", directory), ("display_name", display_name), ("portal_url", portal_url)];
    for (name, value) in optional {
        item.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
    }
    Ok(item)
}

/// What its administrator enters there.
fn told(audience: Option<&Audience>, idp: Option<&Idp>) -> Vec<(String, String)> {
    let (acs_url, entity_id) = match audience {
        Some(audience) => (audience.acs_url.clone(), audience.entity_id.clone()),
        None => ("<public URL>/saml/acs".into(), "<public URL>/saml/metadata".into()),
    };
    let row = |name: &str, value: String| (name.to_owned(), value);
    let mut rows = vec![
        row("ACS URL (reply, recipient, destination)", acs_url),
        row("audience (our entity ID)", entity_id),
        row("subject (NameID)", "the e-mail address, or another id that stays".into()),
    ];
    if let Some(idp) = idp {
        if idp.user_attribute != "NameID" {
            let what = "a user id that never changes and is never given again; at IAM Identity Center, ${user:AD_GUID}";
            rows.push(row(&format!("attribute {}", plain(&idp.user_attribute)), what.into()));
        }
        let what =
            "team ids, one or many values; a constant where one application stands for one team";
        rows.push(row(&format!("attribute {}", plain(&idp.teams_attribute)), what.into()));
        if let Some(groups) = &idp.groups_attribute {
            rows.push(row(&format!("attribute {}", plain(groups)), "the person's groups".into()));
        }
    }
    rows.push(row(
        "signature",
        "RSA or ECDSA with SHA-256 or more, over the assertion, the response, or both".into(),
    ));
    rows
}

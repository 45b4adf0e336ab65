//! `studio-broker idps`: the identity providers, as administrators see and change them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::ArgValueCompleter;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::again::again;
use super::hub::Hub;
use super::input::text_of;
use super::mapping_file::{
    self, APPLY_HELP, ApplyArguments, EXPORT_HELP, ExportArguments, Orders, PLAN_HELP,
    PlanArguments, Removals,
};
use super::output::{
    ADDED, CHANGED, Code, Failure, Format, REMOVED, STRONG, count, data, hint, item_lines, json,
    plain, say, styled, table, warn, word,
};
use super::{Exit, completions, one_attribute};
use crate::config::{Audience, environment};
use crate::mappings::plan::{Change, Plan, State};
use crate::mappings::{Stored, Table};
use crate::team::idp::Idp;
use crate::team::item::{Item, excerpt};
use strict_saml::{IdpMetadata, MetadataWarning};

#[derive(Debug, Subcommand)]
pub(super) enum Idps {
    /// Lists all identity providers, usable or not.
    #[command(before_help = "Example:\n  studio-broker idps list")]
    List {
        /// Only those in this state.
        #[arg(long, value_name = "STATE")]
        state: Option<IdpState>,
    },
    /// Shows an identity provider, its keys, and how many days their certificates last.
    #[command(before_help = "Example:\n  studio-broker idps show https://idp.example.com/metadata")]
    Show {
        /// Entity ID, or display name.
        #[arg(value_name = "IDP", add = ArgValueCompleter::new(completions::entity_ids))]
        wanted: String,
    },
    /// Writes both tables as a file for version control.
    #[command(
        before_help = "Example:\n  studio-broker idps export > mappings.yaml",
        after_help = EXPORT_HELP
    )]
    Export(ExportArguments),
    /// Shows what a file would change, and what follows from it.
    #[command(
        before_help = "Example:\n  studio-broker idps plan mappings.yaml",
        after_help = PLAN_HELP
    )]
    Plan(PlanArguments),
    /// Makes the tables what a file says.
    #[command(
        before_help = "Example:\n  studio-broker idps apply mappings.yaml",
        after_help = APPLY_HELP
    )]
    Apply(ApplyArguments),
    /// Connects an identity provider by its metadata, or brings the metadata of a known one up to date.
    #[command(
        before_help = "Example:\n  studio-broker idps add idp.xml --teams team1,team2",
        after_help = "Of an identity provider that is known, only the metadata is replaced. To change its certificate without a\ngap, add metadata with both keys, change the certificate there, then add metadata with the new key alone."
    )]
    Add(AddArguments),
    /// Removes identity providers: nobody signs in there any more, and its open sessions end.
    #[command(
        before_help = "Example:\n  studio-broker idps remove https://idp.example.com/metadata --dry-run"
    )]
    Remove {
        /// Entity IDs.
        #[arg(
            value_name = "ENTITY_ID",
            required = true,
            add = ArgValueCompleter::new(completions::entity_ids)
        )]
        keys: Vec<String>,
        /// Entity IDs that are not there are no failure.
        #[arg(long)]
        ignore_missing: bool,
        #[command(flatten)]
        removals: Removals,
    },
    /// Lets people sign in at identity providers again.
    #[command(
        before_help = "Example:\n  studio-broker idps enable https://idp.example.com/metadata"
    )]
    Enable(Switch),
    /// Switches identity providers off: nobody signs in there, and open sessions end.
    #[command(
        before_help = "Example:\n  studio-broker idps disable https://idp.example.com/metadata"
    )]
    Disable(Switch),
    /// Changes which teams an identity provider may grant: +TEAM adds, -TEAM takes away.
    #[command(
        before_help = "Example:\n  studio-broker idps teams https://idp.example.com/metadata +vision -team2",
        after_help = "Options stand before the entity ID. +'*' means every team, those to come included."
    )]
    Teams {
        /// Says what would be done and does nothing.
        #[arg(long)]
        dry_run: bool,
        /// Entity ID, then +TEAM and -TEAM.
        #[arg(
            value_name = "IDP +TEAM -TEAM",
            num_args = 2..,
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            add = ArgValueCompleter::new(completions::entity_ids)
        )]
        words: Vec<String>,
    },
}

/// What `enable` and `disable` take.
#[derive(Debug, clap::Args)]
pub(super) struct Switch {
    /// Entity IDs.
    #[arg(
        value_name = "ENTITY_ID",
        required = true,
        add = ArgValueCompleter::new(completions::entity_ids)
    )]
    keys: Vec<String>,
    /// Says what would be done and does nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What an identity provider is to its people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum IdpState {
    /// People sign in there.
    Enabled,
    /// It is switched off.
    Disabled,
    /// Its item cannot be used.
    Unusable,
}

#[derive(Debug, clap::Args)]
pub(super) struct AddArguments {
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
    /// Says what would be done and does nothing.
    #[arg(long)]
    dry_run: bool,
}

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) async fn run(command: Idps, format: Format) -> Result<Exit, Failure> {
    let now = Timestamp::now();
    match command {
        Idps::List { state } => list(&Hub::connect().await?, state, now, format).await,
        Idps::Show { wanted } => show(&Hub::connect().await?, &wanted, now, format).await,
        Idps::Export(arguments) => mapping_file::export(&arguments, format).await,
        Idps::Plan(arguments) => mapping_file::plan(&arguments, format).await,
        Idps::Apply(arguments) => mapping_file::apply(&arguments, format).await,
        Idps::Add(arguments) => add(&arguments, now, format).await,
        Idps::Remove { keys, ignore_missing, removals } => {
            mapping_file::remove(Table::Idps, &keys, &removals, ignore_missing, format).await
        }
        Idps::Enable(arguments) => switch(&arguments, true, format).await,
        Idps::Disable(arguments) => switch(&arguments, false, format).await,
        Idps::Teams { dry_run, words } => {
            let (key, changes) = words.split_at_checked(1).unwrap_or_default();
            let change = |item: &mut Item| one_attribute::with_teams(item, changes);
            one_attribute::run(Table::Idps, key, dry_run, format, change).await
        }
    }
}

async fn switch(arguments: &Switch, enabled: bool, format: Format) -> Result<Exit, Failure> {
    let change = |item: &mut Item| {
        item.insert("enabled".into(), json!(enabled));
        Ok(())
    };
    one_attribute::run(Table::Idps, &arguments.keys, arguments.dry_run, format, change).await
}

async fn stored(hub: &Hub) -> Result<BTreeMap<String, Stored>, Failure> {
    let records = hub.tables().all(Table::Idps).await.map_err(|e| hub.failure(Table::Idps, e))?;
    let of = |(key, record)| (key, Stored::of(Table::Idps, record));
    Ok(records.into_iter().map(of).collect())
}

async fn list(
    hub: &Hub,
    wanted: Option<IdpState>,
    now: Timestamp,
    format: Format,
) -> Result<Exit, Failure> {
    let mut idps = stored(hub).await?;
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

fn idp_of(stored: &Stored) -> Option<&Idp> {
    stored.mapping().and_then(|mapping| mapping.idp())
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

/// Whole days until a moment; negative when it has passed.
fn days_left(until: Timestamp, now: Timestamp) -> i64 {
    (until.as_second() - now.as_second()).div_euclid(86_400)
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
        shown.insert("metadata".into(), metadata_json(&idp.metadata, now));
    }
    shown
}

/// What metadata says, for programs.
fn metadata_json(metadata: &IdpMetadata, now: Timestamp) -> Value {
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
fn metadata_lines(metadata: &IdpMetadata, now: Timestamp) -> Vec<String> {
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

async fn show(hub: &Hub, wanted: &str, now: Timestamp, format: Format) -> Result<Exit, Failure> {
    let idps = stored(hub).await?;
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
        for line in idp_of(stored).map(|idp| metadata_lines(&idp.metadata, now)).unwrap_or_default()
        {
            data(format!("  {line}"));
        }
    }
    Ok(Exit::Done)
}

async fn add(arguments: &AddArguments, now: Timestamp, format: Format) -> Result<Exit, Failure> {
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
        for line in metadata_lines(&metadata, now) {
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
        "metadata": metadata_json(&metadata, now),
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
    arguments: &AddArguments,
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
    arguments: &AddArguments,
    key: &str,
    known: &Stored,
    xml: String,
) -> Result<Item, Failure> {
    if let Some(fault) = known.unwritable.first() {
        let message = format!("{} holds what cannot be kept: {fault}", excerpt(key));
        return Err(Failure::new(Exit::Failed, message)
            .hint(format!("studio-broker idps show {}", word(key))));
    }
    let AddArguments { teams, all_teams, directory, display_name, portal_url, .. } = arguments;
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

fn new_item(
    arguments: &AddArguments,
    key: &str,
    xml: String,
    state: &State,
) -> Result<Item, Failure> {
    let AddArguments { teams, all_teams, directory, display_name, portal_url, .. } = arguments;
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

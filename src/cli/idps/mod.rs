//! `studio-broker idps`: the identity providers, as administrators see and change them.

mod add;
mod look;
mod metadata;

use clap::Subcommand;
use clap_complete::ArgValueCompleter;
use jiff::Timestamp;
use serde_json::json;

use self::look::IdpState;
use super::hub::Hub;
use super::mapping_file::{
    self, APPLY_HELP, ApplyArguments, DryRun, EXPORT_HELP, ExportArguments, PLAN_HELP,
    PlanArguments, Removals,
};
use super::output::{Failure, Format};
use super::{Exit, completions, one_attribute};
use crate::mappings::Table;
use crate::team::item::Item;

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
    Add(add::Arguments),
    /// Removes identity providers: nobody signs in there any more, and its open sessions end.
    #[command(
        before_help = "Example:\n  studio-broker idps remove https://idp.example.com/metadata --dry-run"
    )]
    Remove {
        #[command(flatten)]
        ids: EntityIds,
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
        #[command(flatten)]
        dry_run: DryRun,
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

/// Which identity providers a command is about.
#[derive(Debug, clap::Args)]
pub(super) struct EntityIds {
    /// Entity IDs.
    #[arg(
        value_name = "ENTITY_ID",
        required = true,
        add = ArgValueCompleter::new(completions::entity_ids)
    )]
    keys: Vec<String>,
}

/// What `enable` and `disable` take.
#[derive(Debug, clap::Args)]
pub(super) struct Switch {
    #[command(flatten)]
    ids: EntityIds,
    #[command(flatten)]
    dry_run: DryRun,
}

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) async fn run(command: Idps, format: Format) -> Result<Exit, Failure> {
    let now = Timestamp::now();
    match command {
        Idps::List { state } => look::list(&Hub::connect().await?, state, now, format).await,
        Idps::Show { wanted } => look::show(&Hub::connect().await?, &wanted, now, format).await,
        Idps::Export(arguments) => mapping_file::export(&arguments, format).await,
        Idps::Plan(arguments) => mapping_file::plan(&arguments, format).await,
        Idps::Apply(arguments) => mapping_file::apply(&arguments, format).await,
        Idps::Add(arguments) => add::run(&arguments, now, format).await,
        Idps::Remove { ids, ignore_missing, removals } => {
            mapping_file::remove(Table::Idps, &ids.keys, &removals, ignore_missing, format).await
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
    one_attribute::run(Table::Idps, &arguments.ids.keys, arguments.dry_run, format, change).await
}

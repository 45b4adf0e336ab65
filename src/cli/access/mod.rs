//! `studio-broker access`: who may open what, until when, and why; given by name, ended, and reviewed.
//!
//! What is said comes from the decision of a sign-in itself ([`crate::team::entitlement`]).

mod end;
mod entry;
mod explain;
mod grant;
mod report;
mod report_page;
mod review;

use clap::Subcommand;

use super::Exit;
use super::output::{Failure, Format};

#[derive(Debug, Subcommand)]
pub(super) enum AccessCommand {
    /// Gives a person access to a team by name, without end or until a moment.
    #[command(
        before_help = "Example:\n  studio-broker access grant jane team1 --for 8h --reason \"the audit of November\"",
        after_help = "Writes one entry of the team's members, under the condition that nobody changed it meanwhile.\n\nExit codes: 0 written, or there already; 1 no such team, or no room; 5 somebody else changed it."
    )]
    Grant(grant::Arguments),
    /// Ends access by name, of one person or of all whose time is over.
    #[command(
        before_help = "Example:\n  studio-broker access end jane team1",
        after_help = "Removes the person's entry from the team's members. What the teams attribute and groups give stays,\nand so does an open Studio session: profiles revoke ends that.\n\nExit codes: 0 removed, or not there; 1 no such team; 5 somebody else changed it meanwhile."
    )]
    End(end::Arguments),
    /// Says what a person may open and by which rule, or why not: each check with expected and got.
    #[command(
        before_help = "Example:\n  studio-broker access explain jane --team team1 --groups analysts",
        after_help = "What only a sign-in can tell (teams attribute, groups, address, authentication context) counts as\ngiven here. The groups of an identity store are read where an identity provider has one."
    )]
    Explain(explain::Arguments),
    /// Lists who can open what, by which rule, until when, with which profile, and what nobody needs.
    #[command(
        before_help = "Example:\n  studio-broker access report --identity-store --html access.html",
        after_help = "Exit codes: 0 complete; 1 something could not be looked at: it is named."
    )]
    Report(report::Arguments),
}

pub(super) async fn run(command: AccessCommand, format: Format) -> Result<Exit, Failure> {
    match command {
        AccessCommand::Grant(arguments) => grant::run(arguments, format).await,
        AccessCommand::End(arguments) => end::run(arguments, format).await,
        AccessCommand::Explain(arguments) => explain::run(arguments, format).await,
        AccessCommand::Report(arguments) => report::run(arguments, format).await,
    }
}

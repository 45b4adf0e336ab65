//! `studio-broker profiles`: the profiles in all teams' accounts, from the first look to the last.
//!
//! Looking uses the doctor role; repairing and ending use the lifecycle role. What is done to a profile
//! is decided by its tags, read from AWS at that moment: nothing is remembered between two runs, and
//! running a command again goes on where the last one stopped.

mod drift;
mod end;
pub(super) mod inventory;
mod list;
mod offboard;
pub(super) mod people;
mod revoke;

use clap::Subcommand;

use super::Exit;
use super::output::{Failure, Format};

#[derive(Debug, Subcommand)]
pub(super) enum Profiles {
    /// Lists the broker's profiles, with status, last change and home directory.
    #[command(before_help = "Example:\n  studio-broker profiles list --team team1")]
    List(list::Arguments),
    /// Shows profiles that differ from their mapping, and those whose team or person is gone.
    #[command(
        before_help = "Example:\n  studio-broker profiles drift --repair",
        after_help = "Exit codes: 0 no drift, or all repaired; 1 some account could not be looked at; 3 drift."
    )]
    Drift(drift::Arguments),
    /// Ends what one person has open, and keeps it closed: a tag on their profiles, which IAM refuses.
    #[command(
        before_help = "Example:\n  studio-broker profiles revoke jane --yes",
        after_help = "The profile, its apps and its home stay as they are; --undo lets the person in again. IAM decides each\nrequest of an open Studio session anew. How soon changed tags count there AWS does not say: look at\nCloudTrail, or at the session itself.\n\nExit codes: 0 done, or nothing to do; 1 something is left; 3 only planned."
    )]
    Revoke(revoke::Arguments),
    /// Ends everything that one person has: access, apps, spaces, profiles.
    #[command(
        before_help = "Example:\n  studio-broker profiles offboard jane --yes",
        after_help = "First what is open ends (the tag StudioBrokerRevoked, as profiles revoke sets it), and the person is refused\n(denied_users), also in open sessions. Then apps, spaces and profiles go,\nin this order; an app can take 20 minutes. Running it again goes on. Home directories stay on EFS.\n\nExit codes: 0 nothing is left; 1 something is left; 3 only planned; 5 somebody else changed an IdP."
    )]
    Offboard(offboard::Arguments),
}

pub(super) async fn run(command: Profiles, format: Format) -> Result<Exit, Failure> {
    match command {
        Profiles::List(arguments) => list::run(arguments, format).await,
        Profiles::Drift(arguments) => drift::run(arguments, format).await,
        Profiles::Revoke(arguments) => revoke::run(arguments, format).await,
        Profiles::Offboard(arguments) => offboard::run(arguments, format).await,
    }
}

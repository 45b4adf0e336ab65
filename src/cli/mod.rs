//! The command line: data on standard output, words on standard error.
//!
//! A file or folder for each command, called like it. What they share: `hub` (the settings and tables that a
//! command works on), `fleet` (many accounts at once), `input` and `output` (files and pipes; JSON, tables,
//! failures with their exit codes), `findings` (what `doctor` and others tell, each with its fix). Rules about
//! teams and people are in [`crate::team`] and [`crate::mappings`], not here: a command asks, shows and writes.

mod access;
mod again;
mod completions;
mod decision;
mod doctor;
mod exit;
mod explain;
mod findings;
mod fleet;
mod history;
mod hub;
mod identity_center;
mod idps;
mod input;
mod interrupt;
mod kept_plan;
mod local;
mod log_file;
mod man;
mod mapping_file;
mod one_attribute;
mod output;
mod person;
mod plan_words;
mod profiles;
mod returning;
mod saml_explain;
mod saml_input;
mod saml_verify;
mod serve;
mod spoke;
mod teams;
mod teams_like;

pub use exit::Exit;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::telemetry;
use output::{Failure, Format};

/// The door through which an organization enters Amazon SageMaker Studio.
#[derive(Debug, Parser)]
#[command(
    name = "studio-broker",
    version,
    before_help = "Example: everything on a laptop, without an AWS account\n  studio-broker local",
    after_help = "Exit codes: 0 done, or nothing to do; 1 failed; 2 usage or settings; 3 refused, changes found, or\nfindings; 4 not authorised in AWS; 5 somebody else changed it meanwhile."
)]
struct Arguments {
    /// How results are printed: table or json.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    output: Format,
    /// Prints without colour, as NO_COLOR does.
    #[arg(long, global = true)]
    no_color: bool,
    /// Says what is asked of AWS, on standard error.
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs everything on this machine: the broker, a test identity provider and a simulated AWS.
    Local(crate::local::Arguments),
    /// Answers the routes over plain HTTP; TLS ends in front of it.
    Serve(serve::Arguments),
    /// Works with SAML messages.
    #[command(
        subcommand,
        before_help = "Example:\n  studio-broker saml verify --idp-metadata idp.xml --sp-entity-id ID --acs-url URL response.xml"
    )]
    Saml(Saml),
    /// Teams: what people can open.
    #[command(subcommand, before_help = "Example:\n  studio-broker teams list")]
    Teams(teams::Teams),
    /// Identity providers: who says who somebody is.
    #[command(subcommand, before_help = "Example:\n  studio-broker idps list")]
    Idps(idps::Idps),
    /// Checks settings, tables, identity providers and every team's account, and names each fix.
    Doctor(doctor::Arguments),
    /// Profiles in the teams' accounts: who has one, how it differs from its mapping, and its end.
    #[command(subcommand, before_help = "Example:\n  studio-broker profiles list --team team1")]
    Profiles(profiles::Profiles),
    /// Who may open what: given by name, ended, explained and reviewed.
    #[command(
        subcommand,
        before_help = "Example:\n  studio-broker access explain jane --team team1"
    )]
    Access(access::AccessCommand),
    /// Groups and assignments of IAM Identity Center, as far as its API goes.
    #[command(subcommand, before_help = "Example:\n  studio-broker identity-center plan")]
    IdentityCenter(identity_center::IdentityCenter),
    /// Explains a reference that somebody was shown, or a code.
    #[command(subcommand, before_help = "Example:\n  studio-broker explain code target_denied")]
    Explain(explain::Explain),
    /// Prints a script that completes commands, options and team ids in a shell.
    Completions(completions::Arguments),
    /// Writes a manual page for each command.
    Man(man::Arguments),
}

#[derive(Debug, Subcommand)]
enum Saml {
    /// Verifies a response that a file holds, as a sign-in would.
    Verify(saml_verify::Arguments),
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    // A shell that asks for completions is answered, and nothing else happens.
    completions::answer(command);
    let arguments = match command().try_get_matches().and_then(|m| Arguments::from_arg_matches(&m))
    {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && wants_json() => {
            let message = error.render().to_string();
            let message = message.trim().trim_start_matches("error: ");
            return Failure::usage(message).report(Format::Json).into();
        }
        Err(error) => error.exit(),
    };
    if arguments.no_color {
        anstream::ColorChoice::Never.write_global();
    }
    // These two have a log of their own.
    let has_log = matches!(arguments.command, Command::Local(_) | Command::Serve(_));
    if arguments.verbose && !has_log {
        telemetry::tell_calls(|call| output::say(format!("asked AWS: {call}")));
    }
    let format = arguments.output;
    let json = format == Format::Json;
    let is_saml = matches!(arguments.command, Command::Saml(_));
    let done: Result<Exit, Failure> = match arguments.command {
        Command::Local(arguments) => blocking(local::run(arguments, format)),
        Command::Serve(serve) => blocking(serve::run(serve, json)),
        Command::Saml(Saml::Verify(verify)) => saml_verify::run(&verify, format),
        Command::Teams(teams) => blocking(teams::run(teams, format)),
        Command::Idps(idps) => blocking(idps::run(idps, format)),
        Command::Doctor(doctor) => blocking(doctor::run(doctor, format)),
        Command::Profiles(profiles) => blocking(profiles::run(profiles, format)),
        Command::Access(access) => blocking(access::run(access, format)),
        Command::IdentityCenter(center) => blocking(identity_center::run(center, format)),
        Command::Explain(explain) => explain::run(&explain, format),
        Command::Completions(shell) => completions::print(&shell),
        Command::Man(man) => man::run(&man, command(), format),
    };
    let exit = match done {
        Ok(exit) => {
            output::print_json(None);
            exit
        }
        // `saml verify` has a form of its own: its errors are lines on standard error.
        Err(failure) if is_saml && json => failure.report_as_line(),
        Err(failure) => failure.report(format),
    };
    output::not_printed().map_or(exit, |failure| failure.report(Format::Table)).into()
}

/// Whether arguments that cannot be read ask for JSON all the same.
fn wants_json() -> bool {
    let words: Vec<_> = std::env::args().collect();
    let is_option = |word: &str| word == "--output" || word == "-o";
    let apart = words.windows(2).any(|pair| match pair {
        [option, value] => is_option(option) && value == "json",
        _ => false,
    });
    apart
        || words.iter().any(|word| ["--output=json", "-ojson", "-o=json"].contains(&word.as_str()))
}

/// All commands, each with its example at the top of its help.
fn command() -> clap::Command {
    with_example_first(Arguments::command())
}

fn with_example_first(command: clap::Command) -> clap::Command {
    command
        .help_template(
            "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}",
        )
        .mut_subcommands(with_example_first)
}

fn blocking(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            Err(Failure::new(Exit::Failed, format!("the runtime cannot be started: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &clap::Command, path: &str, look: &mut impl FnMut(&str, &clap::Command)) {
        look(path, command);
        for child in command.get_subcommands() {
            each(child, &format!("{path} {}", child.get_name()), look);
        }
    }

    #[test]
    fn every_help_begins_with_one_example_of_that_very_command() {
        each(&command(), "studio-broker", &mut |path, command| {
            let example = command.get_before_help().map(ToString::to_string).unwrap_or_default();
            let examples = example.lines().filter(|line| line.starts_with("Example")).count();
            assert_eq!(examples, 1, "{path}: {example:?}");
            assert!(example.contains(path), "{path}: {example:?}");
        });
    }

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }
}

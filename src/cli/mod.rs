//! The command line: data on standard output, words on standard error.

mod saml_verify;
mod serve;

pub(crate) use serve::stopped;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Usage or settings.
    Usage = 2,
    /// Refused.
    Refused = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The door through which an organization enters Amazon SageMaker Studio.
#[derive(Debug, Parser)]
#[command(
    name = "studio-broker",
    version,
    after_help = "Try it on a laptop, without an AWS account:\n  studio-broker local"
)]
struct Arguments {
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs everything on this machine: the broker, a test identity provider and a simulated AWS.
    Local(crate::local::Arguments),
    /// Answers the routes over plain HTTP; TLS ends in front of it.
    Serve(serve::Arguments),
    /// Works with SAML messages.
    #[command(subcommand)]
    Saml(Saml),
}

#[derive(Debug, Subcommand)]
enum Saml {
    /// Verifies a response that a file holds, as a sign-in would.
    Verify(saml_verify::Arguments),
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.output == Output::Json;
    match arguments.command {
        Command::Local(local) => blocking(crate::local::run(local, json)),
        Command::Serve(serve) => blocking(serve::run(serve, json)),
        Command::Saml(Saml::Verify(verify)) => saml_verify::run(&verify),
    }
    .into()
}

fn blocking(command: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            eprintln!("error: the runtime cannot be started: {error}");
            Exit::Failed
        }
    }
}

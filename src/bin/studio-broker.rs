//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    studio_broker::cli::run()
}

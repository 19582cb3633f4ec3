//! The `tillstream` program: reads the command line and does what it says.
//! Does not hold logic; the library does.

use std::process::ExitCode;

use clap::Parser;
use tillstream::cli::Cli;
use tillstream::commands;

fn main() -> ExitCode {
    let command = Cli::parse().into_command();
    actix_rt::System::new().block_on(commands::execute(command))
}

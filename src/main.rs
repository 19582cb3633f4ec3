//! The `tillstream` program: reads the command line and does what it says.
//! Does not hold logic; the library does.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use tillstream::cli::Cli;
use tillstream::{commands, startup};

/// A sale is allocated by one thread and freed by another, several times on its way; the system's allocator locks for that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let command = Cli::parse().into_command();
    startup::install_cryptography();
    actix_rt::System::new().block_on(commands::execute(command))
}

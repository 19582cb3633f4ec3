//! Does what the command line says and turns the outcome into an exit code.
//! Does not parse and does not wire.

use std::process::ExitCode;

use tillstream_vault_setup::SetUpError;

use crate::cli::Command;
use crate::telemetry;

mod broker;
mod chaos;
mod check;
mod password;
mod print;
mod replay;
mod run;
mod settle;
mod table;
mod vault;

/// Runs one command; a failure is one line on standard error.
pub async fn execute(command: Command) -> ExitCode {
    let log = telemetry::UntilHere;
    let outcome = match command {
        Command::Run(args) => run::run(&args).await,
        Command::Replay(args) => replay::replay(&args).await,
        Command::Chaos(args) => chaos::chaos(&args).await,
        Command::Broker(args) => broker::broker(&args).await,
        Command::Check(args) => check::check(&args).await,
        Command::Vault { command } => vault::vault(&command).await,
        Command::Openapi(args) => print::openapi(&args),
        Command::Asyncapi(args) => print::asyncapi(&args),
    };
    drop(log);
    outcome.unwrap_or_else(|error| {
        print::error_line(&format!("error: {error:#}"));
        error.downcast_ref::<SetUpError>().map_or(ExitCode::FAILURE, |known| ExitCode::from(known.exit_code()))
    })
}

//! `tillstream run`: build, serve until told to stop or until the time is over, drain.
//! Does not know what is built.

use std::process::ExitCode;
use std::time::Duration;

use tracing::info;

use super::{print, settle};
use crate::cli::RunArgs;
use crate::settings::Settings;
use crate::shutdown::StopSignals;
use crate::startup::Application;
use crate::telemetry;

/// Runs the service.
pub async fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(&args.config)?;
    telemetry::start(&settings.log)?;
    let mut signals = StopSignals::listen()?;
    let application = Application::build(settings).await?;
    print::line(application.announcement().trim_end());
    let is_over = wait(&mut signals, args.duration).await;
    signals.exit_on_next();
    let outcome = if is_over { settle::settle(&application).await } else { Ok(ExitCode::SUCCESS) };
    application.drain().await;
    outcome
}

/// True when the time is over, false when a signal came first.
async fn wait(signals: &mut StopSignals, duration: Option<Duration>) -> bool {
    let over = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => true,
        signal = signals.next() => {
            info!("{signal} received, stopping");
            false
        }
    }
}

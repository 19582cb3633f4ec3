//! `tillstream run`: read the secrets, build, serve until told to stop or until the time is over, drain.
//! Does not know what is built.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;
use tracing::info;

use super::{print, settle};
use crate::cli::RunArgs;
use crate::settings::Settings;
use crate::shutdown::StopSignals;
use crate::startup::Starting;
use crate::telemetry;

/// Runs the service.
pub async fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(&args.config)?;
    let spans = tillstream_traces::start(&settings.traces, &settings.instance())?;
    telemetry::start(&settings.log)?;
    let mut signals = StopSignals::listen()?;
    let starting = Starting::bind(settings).await?;
    let begun = Instant::now();
    let needed = tokio::select! {
        needed = starting.needed(|waiting| print::line(waiting.trim_end())) => needed?,
        is_over = wait(&mut signals, args.duration) => return stop_waiting(is_over),
    };
    let left = args.duration.map(|duration| duration.saturating_sub(begun.elapsed()));
    let application = starting.build(needed)?;
    let grace = application.grace();
    print::line(application.announcement().trim_end());
    let is_over = wait(&mut signals, left).await;
    signals.exit_on_next();
    let outcome = if is_over { settle::settle(&application).await } else { Ok(ExitCode::SUCCESS) };
    application.drain().await;
    telemetry::finish(spans, grace).await;
    outcome
}

/// A process that has taken nothing has nothing to drain. Somebody who wanted it to run for a while must hear that it did
/// not.
fn stop_waiting(is_over: bool) -> anyhow::Result<ExitCode> {
    if is_over {
        bail!("the time of `--duration` is over and the secrets or the certificate never came: nothing ran");
    }
    Ok(ExitCode::SUCCESS)
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

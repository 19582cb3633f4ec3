//! `tillstream broker`: opens the broker, lets clients in until told to stop, drains.
//! Does not know what is built.

use std::process::ExitCode;

use tracing::info;

use super::print;
use crate::cli::BrokerArgs;
use crate::settings::Settings;
use crate::shutdown::StopSignals;
use crate::startup::BrokerAlone;
use crate::telemetry;

/// Runs the broker.
pub async fn broker(args: &BrokerArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(&args.config())?;
    telemetry::start(&settings.log)?;
    let mut signals = StopSignals::listen()?;
    let broker = tokio::select! {
        broker = BrokerAlone::build(settings) => broker?,
        signal = signals.next() => {
            info!("{signal} received while the secrets could not be read, stopping");
            return Ok(ExitCode::SUCCESS);
        }
    };
    print::line(broker.announcement().trim_end());
    let signal = signals.next().await;
    info!("{signal} received, stopping");
    signals.exit_on_next();
    broker.drain().await;
    Ok(ExitCode::SUCCESS)
}

//! Log lines: pretty on a terminal, JSON otherwise; and one line for every panic.
//! Does not trace requests; nothing is logged per request at `info`.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillstream_traces::Exporting;
use tracing::{error, warn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Goes before every filter: a client that sends garbage must not fill the log with errors that are not ours, and the Vault
/// client logs every failed call some times over, which its room says once.
const QUIET: &str = "actix_http=off,actix_server=warn,vaultrs=off,rustify=off";

/// Section `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// What is logged, as in `info,tillstream_window=debug`; the variable `RUST_LOG` goes first.
    pub filter: String,
    /// How.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For a person.
    Pretty,
    /// For a machine.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// Starts logging to standard error, and handing spans on where they are made: start those first. The first call of a process holds.
///
/// # Errors
/// The filter cannot be read.
pub fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| !text.is_empty());
    let wanted = wanted.as_deref().unwrap_or(&settings.filter);
    let filter = EnvFilter::try_new(format!("{QUIET},{wanted}"))?;
    let terminal = std::io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(terminal);
    let pretty = match settings.format {
        LogFormat::Auto => terminal,
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let lines = if pretty { lines.boxed() } else { lines.json().flatten_event(true).boxed() };
    // A second start in one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(tillstream_traces::layer()).with(lines.with_filter(filter)).try_init();
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Sends the spans that are still here; last, because the drain is traced too.
pub async fn finish(spans: Option<Exporting>, within: Duration) {
    let Some(spans) = spans else { return };
    let flushed = tokio::task::spawn_blocking(move || spans.finish(within)).await;
    if let Err(error) = flushed {
        warn!(%error, "the last spans were not sent");
    }
}

/// Supervision catches panics and restarts; without this line nobody would see where they happened.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let message = panic.payload_as_str().unwrap_or("no message");
    error!(panic.place = place, panic.thread = thread, "panic: {message}");
}

//! Log lines: pretty on a terminal, JSON otherwise, bounded for each cause, and written by a thread that nobody waits for.
//! Does not trace requests; nothing is logged per request at `info`.

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tillstream_traces::Exporting;
use tracing::{error, warn};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use attendant::Attendant;
use filter::{PANIC, Quiet};
use limit::Limiter;

mod attendant;
mod control;
mod filter;
mod json;
mod limit;
mod metrics;
mod pretty;
mod settings;

pub use control::{LogControl, LogState};
pub use filter::{InvalidFilter, LogFilter};
pub use settings::{LogFormat, LogSettings};

/// Goes before the filter of the settings.
const VARIABLE: &str = "RUST_LOG";

/// What a running log needs to be changed and to be ended.
struct Running {
    control: LogControl,
    limiter: Arc<Limiter>,
    /// Writes what still waits when it is dropped.
    writer: Mutex<Option<WorkerGuard>>,
}

static RUNNING: OnceLock<Running> = OnceLock::new();

/// Writes the lines that still wait when it is dropped, also by a panic.
#[must_use]
pub struct UntilHere;

/// Starts logging to standard error, and handing spans on where they are made: start those first. The first call of a process holds.
///
/// # Errors
/// The filter cannot be read.
pub fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = first_filter(settings)?;
    let terminal = io::stderr().is_terminal();
    let queue = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(settings.queue).thread_name("log");
    let (lines, writer) = queue.finish(io::stderr());
    let (lost, limiter) = (lines.error_counter(), Arc::new(Limiter::new(settings)));
    let layer = fmt::layer().with_writer(lines);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if settings.format.is_pretty(terminal) {
        layer.event_format(pretty::Pretty::new(terminal)).boxed()
    } else {
        layer.event_format(json::JsonLines).boxed()
    };
    let (targets, handle) = reload::Layer::new(filter.targets());
    let layer = layer.with_filter(limit::behind(targets, Quiet, &limiter));
    if tracing_subscriber::registry().with(layer).with(tillstream_traces::layer()).try_init().is_err() {
        // A second start in one process (tests) keeps the first subscriber.
        return Ok(());
    }
    let control = LogControl::new(filter, move |targets| handle.reload(targets).is_ok());
    Attendant { limiter: Arc::clone(&limiter), control: control.clone(), lost }.spawn().context("start the log")?;
    let _ = RUNNING.set(Running { control, limiter, writer: Mutex::new(Some(writer)) });
    metrics::show();
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

fn first_filter(settings: &LogSettings) -> anyhow::Result<LogFilter> {
    let variable = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let (text, place) = match &variable {
        Some(text) => (text, VARIABLE),
        None => (&settings.filter, "log.filter"),
    };
    text.parse().with_context(|| format!("read the filter in `{place}`"))
}

/// Which lines are logged, to be read and changed.
pub fn control() -> LogControl {
    RUNNING.get().map_or_else(LogControl::default, |running| running.control.clone())
}

/// Says what was suppressed and writes what still waits, for about a second at most: whoever ends the process must not wait
/// for a reader that is gone. Nothing is logged after it.
pub fn write_rest() {
    let Some(running) = RUNNING.get() else { return };
    attendant::tell(running.limiter.rest());
    drop(running.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
}

impl Drop for UntilHere {
    fn drop(&mut self) {
        write_rest();
    }
}

/// Supervision catches panics and restarts; without this line nobody would see where they happened.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let message = panic.payload_as_str().unwrap_or("no message");
    error!(target: PANIC, { panic.place = place, panic.thread = thread }, "panic: {message}");
}

//! A budget of lines for each cause: what fails a thousand times a second is read as well from fifty lines and a number.
//! Debug and trace have none: whoever turns them on for a while wants all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::layer::{Context, Filter};

use super::filter::{AUDIT, LOG, PANIC};
use super::metrics;
use super::settings::LogSettings;

/// Each of these has a bound of its own, or is worth a line whatever happens. Lines about start and end are written once and
/// need no exception.
const UNLIMITED: [&str; 3] = [AUDIT, LOG, PANIC];

/// What each place in the code has written lately: there are no more of them than the program has.
pub struct Limiter {
    burst: u64,
    error_burst: u64,
    within: Duration,
    causes: Mutex<HashMap<Identifier, Cause>>,
}

struct Cause {
    metadata: &'static Metadata<'static>,
    began: Instant,
    written: u64,
    suppressed: u64,
}

/// Lines that were not written.
#[derive(Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// Theirs.
    pub level: Level,
    /// Theirs.
    pub target: &'static str,
    /// Where in the code.
    pub file: Option<&'static str>,
    /// Where in the file.
    pub line: Option<u32>,
    /// How many.
    pub lines: u64,
}

/// A limiter as a filter.
struct Budgeted(Arc<Limiter>);

/// These filters, and the limiter behind them: a line that nobody wants costs no budget.
pub fn behind<S, A, B>(first: A, second: B, limiter: &Arc<Limiter>) -> impl Filter<S> + Send + Sync + use<S, A, B>
where
    S: Subscriber + Send + Sync + 'static,
    A: Filter<S> + Send + Sync,
    B: Filter<S> + Send + Sync,
{
    first.and(second).and(Budgeted(Arc::clone(limiter)))
}

// === impl Limiter ===

impl Limiter {
    /// With nothing written yet.
    pub fn new(settings: &LogSettings) -> Self {
        let LogSettings { burst, error_burst, within, .. } = *settings;
        Self { burst, error_burst, within, causes: Mutex::default() }
    }

    /// Whether this line may be written. Counts it either way.
    fn admit(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        let level = metadata.level();
        let burst = match *level {
            _ if UNLIMITED.contains(&metadata.target()) => 0,
            Level::ERROR => self.error_burst,
            Level::WARN | Level::INFO => self.burst,
            Level::DEBUG | Level::TRACE => 0,
        };
        let is_admitted = burst == 0 || self.has_budget(metadata, burst, now);
        let counter = if is_admitted { &metrics::LINES } else { &metrics::SUPPRESSED };
        counter.with_label_values(&[metrics::name(*level)]).inc();
        is_admitted
    }

    fn has_budget(&self, metadata: &'static Metadata<'static>, burst: u64, now: Instant) -> bool {
        let mut causes = self.causes();
        let cause = causes.entry(metadata.callsite()).or_insert_with(|| Cause::new(metadata, now));
        if now.saturating_duration_since(cause.began) >= self.within {
            // What is suppressed until now is told with the next tick.
            (cause.began, cause.written) = (now, 0);
        }
        let has_budget = cause.written < burst;
        if has_budget {
            cause.written += 1
        } else {
            cause.suppressed += 1
        }
        has_budget
    }

    /// What was suppressed within times that are over, to be told now.
    pub fn over(&self, now: Instant) -> Vec<Suppressed> {
        self.take(|cause| now.saturating_duration_since(cause.began) >= self.within || cause.written == 0)
    }

    /// Everything that was suppressed and not told.
    pub fn rest(&self) -> Vec<Suppressed> {
        self.take(|_| true)
    }

    fn take(&self, is_due: impl Fn(&Cause) -> bool) -> Vec<Suppressed> {
        let mut causes = self.causes();
        let due = causes.values_mut().filter(|cause| cause.suppressed > 0 && is_due(cause));
        due.map(Cause::take).collect()
    }

    fn causes(&self) -> MutexGuard<'_, HashMap<Identifier, Cause>> {
        self.causes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Cause ===

impl Cause {
    const fn new(metadata: &'static Metadata<'static>, began: Instant) -> Self {
        Self { metadata, began, written: 0, suppressed: 0 }
    }

    fn take(&mut self) -> Suppressed {
        let (metadata, lines) = (self.metadata, std::mem::take(&mut self.suppressed));
        let (level, target) = (*metadata.level(), metadata.target());
        Suppressed { level, target, file: metadata.file(), line: metadata.line(), lines }
    }
}

impl<S: Subscriber> Filter<S> for Budgeted {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    /// Never `always`: the library takes a filter that always lets a place through at its word, and in a debug build panics
    /// if it then holds one line of it back.
    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.0.admit(event.metadata(), Instant::now())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}

#[cfg(test)]
mod tests;

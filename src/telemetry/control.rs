//! Which lines are logged, changed while the process runs: for good, or for a while.
//! Does not ask who wants it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Level, enabled, info};
use tracing_subscriber::filter::Targets;

use super::filter::{LOG, LogFilter};

/// Shared by whoever may change it and the thread that ends what is for a while. The default one changes nothing.
#[derive(Clone)]
pub struct LogControl(Arc<Inner>);

struct Inner {
    apply: Box<dyn Fn(Targets) -> bool + Send + Sync>,
    filters: Mutex<Filters>,
}

struct Filters {
    standing: LogFilter,
    /// Instead of it, until then.
    passing: Option<(LogFilter, Instant)>,
}

/// What is logged now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// In force.
    pub filter: String,
    /// For how long still, and what then, where it is for a while.
    pub then: Option<(Duration, String)>,
}

// === impl LogControl ===

impl LogControl {
    /// `apply` puts a filter in force and says whether it could.
    pub fn new(standing: LogFilter, apply: impl Fn(Targets) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { apply: Box::new(apply), filters: Mutex::new(Filters { standing, passing: None }) }))
    }

    /// What is logged now.
    pub fn state(&self, now: Instant) -> LogState {
        self.filters().state(now)
    }

    /// From now on this is logged; with a time, what was set for good before comes back after it.
    pub fn set(&self, filter: LogFilter, passing: Option<Duration>, now: Instant) -> LogState {
        let mut filters = self.filters();
        match passing {
            Some(time) => filters.passing = Some((filter, now + time)),
            None => *filters = Filters { standing: filter, passing: None },
        }
        self.apply(&filters, "is set");
        filters.state(now)
    }

    /// Ends what was for a while, if that is over. To be called every second or so.
    pub fn look(&self, now: Instant) {
        let mut filters = self.filters();
        if filters.passing.as_ref().is_some_and(|(_, until)| *until <= now) {
            filters.passing = None;
            self.apply(&filters, "is back");
        }
    }

    /// Says it under the filter that lets it be said: the one before or the one after.
    fn apply(&self, filters: &Filters, what: &str) {
        let text = filters.current().text();
        let say = || info!(target: LOG, { log.filter = text }, "the filter of the log {what}: `{text}`");
        let is_heard = enabled!(target: LOG, Level::INFO);
        if is_heard {
            say();
        }
        let is_applied = (self.0.apply)(filters.current().targets());
        if is_applied && !is_heard {
            say();
        }
    }

    fn filters(&self) -> MutexGuard<'_, Filters> {
        self.0.filters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LogControl {
    fn default() -> Self {
        let nothing = "off".parse().expect("`off` is a filter");
        Self::new(nothing, |_| true)
    }
}

// === impl Filters ===

impl Filters {
    fn current(&self) -> &LogFilter {
        self.passing.as_ref().map_or(&self.standing, |(filter, _)| filter)
    }

    fn state(&self, now: Instant) -> LogState {
        let left = self.passing.as_ref().map(|(_, until)| until.saturating_duration_since(now));
        let then = left.map(|left| (left, self.standing.text().to_owned()));
        LogState { filter: self.current().text().to_owned(), then }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn filter(text: &str) -> LogFilter {
        text.parse().unwrap()
    }

    /// A control, and what it has put in force.
    fn control_for_test() -> (LogControl, Arc<Mutex<Vec<String>>>) {
        let applied = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&applied);
        let debugs = move |targets: Targets| {
            let level = if targets.would_enable("x", &Level::DEBUG) { "debug" } else { "info" };
            seen.lock().unwrap().push(level.to_owned());
            true
        };
        (LogControl::new(filter("info"), debugs), applied)
    }

    #[test]
    fn a_filter_that_is_set_for_good_stays() {
        let (control, applied) = control_for_test();
        let now = Instant::now();
        let state = control.set(filter("debug"), None, now);
        control.look(now + 1000 * MINUTE);
        assert_eq!(state, LogState { filter: "debug".to_owned(), then: None });
        assert_eq!((control.state(now), applied.lock().unwrap().as_slice()), (state, &["debug".to_owned()][..]));
    }

    #[test]
    fn a_filter_for_a_while_gives_way_to_the_one_before_and_so_does_one_that_replaced_it() {
        let (control, applied) = control_for_test();
        let now = Instant::now();
        control.set(filter("debug"), Some(MINUTE), now);
        let state = control.set(filter("x=debug"), Some(MINUTE), now + MINUTE / 2);
        assert_eq!(state, LogState { filter: "x=debug".to_owned(), then: Some((MINUTE, "info".to_owned())) });
        control.look(now + MINUTE);
        assert_eq!(control.state(now + MINUTE).filter, "x=debug");
        control.look(now + 2 * MINUTE);
        assert_eq!(control.state(now + 2 * MINUTE), LogState { filter: "info".to_owned(), then: None });
        assert_eq!(*applied.lock().unwrap(), ["debug", "debug", "info"]);
    }
}

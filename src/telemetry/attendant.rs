//! The thread that looks after the log every second: says what was suppressed, counts what was lost, ends a filter whose time
//! is over.
//! Writes no line of anybody else; a thread, because actors may hang.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use tracing::{Level, error, info, warn};
use tracing_appender::non_blocking::ErrorCounter;

use super::control::LogControl;
use super::filter::LOG;
use super::limit::{Limiter, Suppressed};
use super::metrics;

const EVERY: Duration = Duration::from_secs(1);

/// What it looks after.
pub struct Attendant {
    /// Knows what was suppressed.
    pub limiter: Arc<Limiter>,
    /// Knows whose time is over.
    pub control: LogControl,
    /// Knows what was lost.
    pub lost: ErrorCounter,
}

// === impl Attendant ===

impl Attendant {
    /// Looks from now on until the process ends.
    pub fn spawn(self) -> io::Result<()> {
        let look = move || loop {
            #[expect(clippy::disallowed_methods, reason = "a thread of its own, on which no actor runs")]
            thread::sleep(EVERY);
            self.look(Instant::now());
        };
        thread::Builder::new().name("log-attendant".to_owned()).spawn(look).map(drop)
    }

    fn look(&self, now: Instant) {
        tell(self.limiter.over(now));
        self.control.look(now);
        let lost = self.lost.dropped_lines() as u64 - metrics::LOST.get();
        if lost > 0 {
            metrics::LOST.inc_by(lost);
            warn!(target: LOG, { log.lost = lost }, "{lost} log lines are lost: whoever reads them is too slow or has stopped");
        }
    }
}

/// On the level of the lines themselves: whoever filters by levels sees both or neither.
pub fn tell(suppressed: Vec<Suppressed>) {
    for Suppressed { level, target, file, line, lines } in suppressed {
        let place = format!("{}:{}", file.unwrap_or(target), line.unwrap_or_default());
        match level {
            Level::ERROR => {
                error!(target: LOG, suppressed = lines, log.place = place, "{lines} more lines of `{target}`")
            }
            Level::WARN => {
                warn!(target: LOG, suppressed = lines, log.place = place, "{lines} more lines of `{target}`")
            }
            _ => info!(target: LOG, suppressed = lines, log.place = place, "{lines} more lines of `{target}`"),
        }
    }
}

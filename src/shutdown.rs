//! When to stop and how long that may take.
//! Does not know what is stopped; the application drains itself.

use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, warn};

use crate::telemetry;

/// Exit code of a process that was told twice to stop.
const INTERRUPTED: i32 = 130;
/// Exit code of a process that cannot help itself any more (`EX_SOFTWARE`).
const HELPLESS: i32 = 70;

/// Section `[shutdown]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownSettings {
    /// From the signal to the end of the process.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How long requests are still served after readiness has turned to 503, so that a balancer sees it.
    #[serde(with = "humantime_serde")]
    pub announce: Duration,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10), announce: Duration::from_millis(500) }
    }
}

/// SIGTERM and Ctrl-C.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system takes no handler.
    pub fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for the next one and names it.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// From now on one more signal ends the process at once: what was answered with 200 is on disk anyway.
    pub fn exit_on_next(mut self) {
        actix_rt::spawn(async move {
            let name = self.next().await;
            warn!("second {name}, exiting at once");
            exit_now(INTERRUPTED);
        });
    }
}

/// Ends the process as SIGKILL would, because threads are lost to it: a drain would wait for them. Nothing that was
/// answered with 200 is lost.
pub fn end_helpless(reason: &str) -> ! {
    error!("{reason}, exiting at once; whatever was answered with 200 is on disk");
    exit_now(HELPLESS)
}

#[expect(clippy::disallowed_methods, reason = "both callers ask for exactly this: no drain")]
fn exit_now(code: i32) -> ! {
    telemetry::write_rest();
    std::process::exit(code)
}

//! Looks at all threads and actors of a tree from an OS thread of its own: replaces what is blocked, restarts what hangs.
//! Runs no code of actors and waits for none of them, so nothing that it watches can stop it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::berth::Berth;
use crate::metrics;
use crate::place::{Estate, Place};
use crate::shared::lock;
use crate::supervisor::Supervisor;
use crate::tenant::{Blockage, Look, Patient, Resident};

/// Without a round for this long, or ten times as long as a round should take, the watchdog itself is in trouble.
const STALE: Duration = Duration::from_secs(5);

/// Section `[watchdog]`: how patient it is. All limits are counted in rounds, so a machine that was suspended finds nobody
/// blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchdogSettings {
    /// Time between two rounds.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How long an actor may wait for one and the same `ctx.wait` future while its thread is free.
    #[serde(with = "humantime_serde")]
    pub hung_after: Duration,
    /// How long a thread may do nothing of what it is asked for.
    #[serde(with = "humantime_serde")]
    pub blocked_after: Duration,
    /// How many replaced threads may be blocked still.
    pub max_zombies: usize,
}

impl Default for WatchdogSettings {
    /// 100 ms, 1 s, 2 s and 2 threads.
    fn default() -> Self {
        Self {
            every: Duration::from_millis(100),
            hung_after: Duration::from_secs(1),
            blocked_after: Duration::from_secs(2),
            max_zombies: 2,
        }
    }
}

impl WatchdogSettings {
    /// At least one, because a limit of zero rounds would strike whoever is at work right now.
    fn rounds(&self, time: Duration) -> u32 {
        let every = self.every.as_nanos().max(1);
        u32::try_from(time.as_nanos().div_ceil(every)).unwrap_or(u32::MAX).max(1)
    }
}

/// Watches one tree for as long as it is not dropped.
#[derive(Debug)]
pub struct Watchdog {
    liveness: Liveness,
    /// Dropped to end the thread.
    _stop: Sender<()>,
}

impl Watchdog {
    /// Starts watching everybody below `root`, on every [`Place::arbiter`] that there is or will be.
    ///
    /// `past_limit` is called once, on the watchdog's thread, when more than `max_zombies` threads are blocked: each of
    /// them holds memory and perhaps locks for ever, so the process should log the text and end.
    pub fn start(
        root: &Supervisor,
        settings: WatchdogSettings,
        past_limit: impl FnOnce(String) + Send + 'static,
    ) -> Watchdog {
        metrics::zombies(); // A scrape shows the gauge from the start.
        let health = Arc::new(Health::new(settings));
        let liveness = Liveness(Arc::clone(&health));
        let (stop, stopped) = channel();
        let mut rounds = Rounds {
            estate: Arc::clone(root.estate()),
            settings,
            health,
            zombies: Vec::new(),
            past_limit: Some(Box::new(past_limit)),
        };
        let work = move || {
            while stopped.recv_timeout(settings.every) == Err(RecvTimeoutError::Timeout) {
                rounds.make_one();
            }
        };
        if let Err(failure) = std::thread::Builder::new().name("watchdog".to_owned()).spawn(work) {
            error!(error = %failure, "no thread for the watchdog"); // Its health says so soon.
        }
        Watchdog { liveness, _stop: stop }
    }

    /// What a liveness probe asks; it may outlive the watchdog, which then counts as stale.
    pub fn liveness(&self) -> Liveness {
        self.liveness.clone()
    }
}

/// Whether the process can still help itself, as the watchdog sees it.
#[derive(Debug, Clone)]
pub struct Liveness(Arc<Health>);

impl Liveness {
    /// Why the process should be ended and started anew; none while all is well.
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble()
    }

    /// Threads that were blocked, are replaced and have not ended yet.
    pub fn zombies(&self) -> usize {
        self.0.zombies.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Health {
    settings: WatchdogSettings,
    since: Instant,
    /// When the last round was made, in milliseconds after `since`.
    round_ms: AtomicU64,
    zombies: AtomicUsize,
    /// What could not be helped in the last round.
    helpless: Mutex<Option<String>>,
}

impl Health {
    fn new(settings: WatchdogSettings) -> Self {
        Self {
            settings,
            since: Instant::now(),
            round_ms: AtomicU64::new(0),
            zombies: AtomicUsize::new(0),
            helpless: Mutex::new(None),
        }
    }

    fn trouble(&self) -> Option<String> {
        let last = Duration::from_millis(self.round_ms.load(Ordering::Relaxed));
        let idle = self.since.elapsed().saturating_sub(last);
        if idle > STALE.max(self.settings.every * 10) {
            return Some(format!("the watchdog has made no round for {} s", idle.as_secs()));
        }
        let zombies = self.zombies.load(Ordering::Relaxed);
        if zombies > self.settings.max_zombies {
            return Some(format!("{zombies} blocked threads, at most {} are fine", self.settings.max_zombies));
        }
        lock(&self.helpless).clone()
    }
}

struct Rounds {
    estate: Arc<Estate>,
    settings: WatchdogSettings,
    health: Arc<Health>,
    zombies: Vec<Arc<Berth>>,
    /// None once it was called.
    past_limit: Option<Box<dyn FnOnce(String) + Send>>,
}

impl Rounds {
    fn make_one(&mut self) {
        let mut helpless = None;
        for place in self.estate.places() {
            if let Some((blocked, blockage)) = self.look_at(&place) {
                helpless = self.replace(&place, &blocked, &blockage).or(helpless);
            }
        }
        self.count_zombies();
        *lock(&self.health.helpless) = helpless;
        let now = u64::try_from(self.health.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.health.round_ms.store(now, Ordering::Relaxed);
    }

    /// Restarts who hangs there; says if the thread itself is blocked, and by whom.
    fn look_at(&self, place: &Place) -> Option<(Arc<Berth>, Blockage)> {
        let patience = self.settings.rounds(self.settings.hung_after);
        let too_long = self.settings.rounds(self.settings.blocked_after);
        let (stuck, blocked) = place.inspect(|berth, residents| {
            let turn = berth.has_answered();
            let (moved, stuck) = look_at_all(residents, turn, patience);
            let silent = berth.ask(turn || moved);
            let blockage = || Blockage::of(place.name(), residents);
            (stuck, (silent >= too_long).then(|| (Arc::clone(berth), blockage())))
        });
        for (tenant, stuck) in stuck {
            warn!(actor.path = tenant.path(), "`{}` {stuck}", tenant.path());
            tenant.hung(stuck);
        }
        blocked
    }

    /// Says what is wrong if there is no new thread to be had.
    fn replace(&mut self, place: &Place, blocked: &Arc<Berth>, blockage: &Blockage) -> Option<String> {
        let (thread, by) = (place.name(), blockage.by());
        if let Err(failure) = place.replace(blocked, blockage) {
            error!(thread, blocked.by = by, error = %failure, "thread `{thread}` is blocked and there is no other");
            return Some(format!("thread `{thread}` is blocked by {by} and cannot be replaced: {failure}"));
        }
        error!(thread, blocked.by = by, "thread `{thread}` is blocked by {by} and was replaced");
        self.zombies.push(Arc::clone(blocked));
        None
    }

    fn count_zombies(&mut self) {
        let before = self.zombies.len();
        self.zombies.retain(|berth| berth.is_zombie());
        let zombies = self.zombies.len();
        if zombies < before {
            info!(zombies, "a thread that was abandoned has ended");
        }
        self.health.zombies.store(zombies, Ordering::Relaxed);
        if zombies > self.settings.max_zombies
            && let Some(past_limit) = self.past_limit.take()
        {
            past_limit(format!("{zombies} threads are blocked, at most {} may be", self.settings.max_zombies));
        }
    }
}

/// One look at everybody on a thread: whether anyone has moved since the last, and who is stuck. Wakes nobody.
fn look_at_all(residents: &mut Vec<Resident>, turn: bool, patience: u32) -> (bool, Vec<Patient>) {
    let (mut any_moved, mut patients) = (false, Vec::new());
    residents.retain_mut(|resident| {
        let Look { moved, stuck } = resident.look(turn, patience);
        any_moved |= moved;
        patients.extend(stuck);
        resident.is_there()
    });
    (any_moved, patients)
}

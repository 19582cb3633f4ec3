//! What the engine does when the storage fails or space runs low, and the chores of an idle moment.
//! Does not answer publishers of a good commit; while there is trouble they are refused at the door.

use std::task::Waker;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use crate::engine::Engine;
use crate::group::Group;
use crate::guard::Wreck;
use crate::store::{NotOpened, Store, StoreError};

/// How often an untroubled engine looks at ages and space.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How often it looks while there is trouble.
const TROUBLED_INTERVAL: Duration = Duration::from_millis(100);
/// Publishing has to rest for so long before the file is compacted.
const IDLE_BEFORE_COMPACTION: Duration = Duration::from_secs(1);
/// A file below this size is not worth compacting.
pub(crate) const SMALL_FILE_BYTES: u64 = 32 * 1024 * 1024;
/// Live bytes that may be moved by a compaction: publishers wait meanwhile, about a quarter of a second for so many.
const COMPACTION_BYTES: u64 = 64 * 1024 * 1024;

/// How the storage is.
pub(crate) enum Health {
    /// Everything works.
    Fine,
    /// Too little space to take messages; acknowledgements and deletions go on.
    Full,
    /// The storage failed and is to be opened again.
    Broken(Box<Broken>),
}

/// What has to be settled once the storage is open again.
pub(crate) struct Broken {
    /// The commit that failed: nobody knows yet whether it landed.
    group: Option<Group>,
    wreck: Wreck,
    retry_at: Instant,
}

// === impl Engine ===

impl Engine {
    /// Chores, when they are due.
    pub(crate) fn keep_up(&mut self) {
        if Instant::now() < self.next_upkeep {
            return;
        }
        if let Health::Broken(broken) = &self.health {
            if broken.retry_at <= Instant::now() {
                self.reopen();
            }
        } else {
            self.expire();
            self.compact();
        }
        if matches!(self.health, Health::Full) {
            self.leave_full();
        } else if matches!(self.health, Health::Fine) {
            let _ = self.refusal();
        }
        let interval = if matches!(self.health, Health::Fine) { UPKEEP_INTERVAL } else { TROUBLED_INTERVAL };
        self.next_upkeep = Instant::now() + interval;
    }

    /// Why messages cannot be stored at the moment, noticing when space has become short.
    pub(crate) fn refusal(&mut self) -> Option<String> {
        if matches!(self.health, Health::Fine) {
            let reserve = self.shared.settings.reserve_bytes;
            let shortage = self.shortage(reserve)?;
            self.enter_full(shortage);
        }
        self.shared.inbox.trouble()
    }

    /// The storage refused: publishers are told, and it is opened again, since a database that failed once is done.
    pub(crate) fn storage_failed(&mut self, error: &StoreError, group: Option<Group>) {
        let wreck = self.store.take().map(Store::retire).unwrap_or_default();
        let cause = wreck.cause.clone().unwrap_or_else(|| error.to_string());
        let reason = if wreck.full { format!("the disk is full: {cause}") } else { cause };
        error!(error = %reason, "the broker's storage failed, publishing is refused until it is open again");
        self.shared.inbox.set_trouble(&reason);
        if let Some(group) = &group {
            group.refuse(&reason);
        }
        if wreck.full {
            self.give_up_reserve();
        }
        self.health = Health::Broken(Box::new(Broken { group, wreck, retry_at: Instant::now() }));
        self.next_upkeep = Instant::now();
    }

    fn reopen(&mut self) {
        let Health::Broken(broken) = std::mem::replace(&mut self.health, Health::Full) else { return };
        let Broken { group, wreck, .. } = *broken;
        let opened = Store::open(&self.disk, wreck).and_then(|store| match store.sequence() {
            Ok(sequence) => Ok((store, sequence)),
            Err(error) => Err(NotOpened { error, wreck: store.retire() }),
        });
        match opened {
            Ok((store, sequence)) => self.reopened(store, sequence, group),
            Err(NotOpened { error, wreck }) => {
                let reason = format!("the storage cannot be opened again: {error}");
                warn!(error = %error, "the broker's storage cannot be opened again yet");
                self.shared.inbox.set_trouble(&reason);
                if wreck.full {
                    self.give_up_reserve();
                }
                let retry_at = Instant::now() + TROUBLED_INTERVAL;
                self.health = Health::Broken(Box::new(Broken { group, wreck, retry_at }));
            }
        }
    }

    /// Decides by the number of the newest commit on disk whether the failed one has landed after all.
    fn reopened(&mut self, store: Store, sequence: u64, group: Option<Group>) {
        info!(commit = sequence, "the broker's storage is open again");
        self.store = Some(store);
        self.sequence = sequence;
        self.health = Health::Full;
        let wakers = match group {
            Some(mut group) if group.sequence == sequence => group.land(&mut self.shared.state()),
            Some(group) => {
                group.undo(&mut self.shared.state());
                Vec::new()
            }
            None => Vec::new(),
        };
        wakers.into_iter().for_each(Waker::wake);
        self.shared.mark_dirty();
    }

    fn enter_full(&mut self, reason: String) {
        warn!(reason = %reason, "the broker refuses messages until there is space");
        self.shared.inbox.set_trouble(&reason);
        self.health = Health::Full;
        self.next_upkeep = Instant::now() + TROUBLED_INTERVAL;
    }

    /// Takes messages again when the reserve is whole and as much is free beside it.
    fn leave_full(&mut self) {
        let reserve = self.shared.settings.reserve_bytes;
        let shortage = self.remake_reserve(reserve).or_else(|| self.shortage(reserve));
        match shortage {
            Some(reason) => self.shared.inbox.set_trouble(&reason),
            None => {
                info!("the broker takes messages again");
                self.shared.inbox.clear_trouble();
                self.health = Health::Fine;
            }
        }
    }

    /// Returns why the reserve cannot be whole.
    fn remake_reserve(&self, reserve: u64) -> Option<String> {
        let held = self.disk.reserve().unwrap_or(0);
        if held == reserve {
            return None;
        }
        let shortage = self.shortage(reserve * 2);
        let remade = |error: std::io::Error| format!("no space to keep back for bad times: {error}");
        shortage.or_else(|| self.disk.set_reserve(reserve).err().map(remade))
    }

    fn shortage(&self, needed: u64) -> Option<String> {
        match self.disk.free_bytes() {
            Ok(free) if free < needed => Some(format!("the disk is full: {free} bytes are free, {needed} must be")),
            Ok(_) => None,
            Err(error) => Some(format!("the disk does not tell how much is free: {error}")),
        }
    }

    fn give_up_reserve(&self) {
        if let Err(error) = self.disk.set_reserve(0) {
            error!(error = %error, "the reserve could not be given up, acknowledgements wait for space");
        }
    }

    fn expire(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        for index in 0..state.queues.len() as u16 {
            state.expire(index, now_ms);
        }
        let dirty = state.is_dirty();
        drop(state);
        if dirty {
            self.shared.mark_dirty();
        }
    }

    /// Gives space back when most of a large file is empty and nobody publishes.
    fn compact(&mut self) {
        let live = self.shared.state().chunks.live_bytes;
        let Some(store) = &mut self.store else { return };
        let len = store.file_len();
        let rests = self.last_publish.elapsed() >= IDLE_BEFORE_COMPACTION || matches!(self.health, Health::Full);
        if !rests || len < self.compact_above || live > COMPACTION_BYTES || live > len / 4 {
            return;
        }
        match store.compact() {
            Ok(()) => {
                let after = store.file_len();
                // A file that cannot shrink must not be tried again every second.
                self.compact_above = SMALL_FILE_BYTES.max(after * 2);
                info!(before.bytes = len, after.bytes = after, "gave space back to the disk");
            }
            Err(error) => self.storage_failed(&error, None),
        }
    }
}

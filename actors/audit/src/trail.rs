//! The way from whoever has something to record to the thread that writes it: a queue that nobody waits at.
//! Touches no file.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use tracing::error;

use crate::files::Files;
use crate::metrics::{self, LOST};
use crate::record::{Record, Series};
use crate::settings::AuditSettings;
use crate::writer::Writer;

/// Where records are handed in; clones share one writer. The default one records nothing.
#[derive(Clone, Default)]
pub struct AuditTrail(Option<Arc<Inner>>);

struct Inner {
    queue: SyncSender<Order>,
    sales: Seats,
    is_full: Arc<AtomicBool>,
    is_logged: bool,
}

/// What the writer is asked for.
pub(crate) enum Order {
    /// With its place among the sales, where it is of one.
    Write(Box<Record>, Option<Seat>),
    /// An answer once everything before is written, or lost.
    Flush(Sender<()>),
}

/// How many records of sales wait: a till may send one wrong sale after the other, and whoever was refused is recorded still.
/// One till has half of the places at most, so that the others' sales are recorded still.
#[derive(Clone)]
struct Seats {
    taken: Arc<Mutex<Taken>>,
    all: usize,
}

/// Who waits. Has no entry for a till of which nothing waits.
#[derive(Default)]
struct Taken {
    all: usize,
    by_till: HashMap<Till, usize>,
}

/// Many tills share a user, and many an address.
type Till = (Option<String>, Option<IpAddr>);

/// A record's place, free again when it is dropped.
pub(crate) struct Seat {
    taken: Arc<Mutex<Taken>>,
    till: Till,
}

// === impl AuditTrail ===

impl AuditTrail {
    /// Records into files of this directory, or nothing where the settings say so. Files that cannot be opened are no
    /// error: the writer says it in the log and tries again with every record.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(settings: &AuditSettings, directory: PathBuf) -> io::Result<Self> {
        metrics::show();
        if !settings.enabled {
            return Ok(Self::default());
        }
        let files = Files::new(directory, settings.keep, settings.max_file);
        let (queue, orders) = sync_channel(settings.queue);
        let is_full = Arc::new(AtomicBool::new(false));
        spawn_writer(Writer::new(files, Arc::clone(&is_full)), orders)?;
        // The last quarter is kept for everything else.
        let sales = Seats { taken: Arc::default(), all: settings.queue.div_ceil(4) * 3 };
        Ok(Self(Some(Arc::new(Inner { queue, sales, is_full, is_logged: settings.log }))))
    }

    /// Whether records lead anywhere; one that is costly to make need not be made otherwise.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Hands in a record, and waits for nothing: what finds the queue full is counted as lost.
    pub fn write(&self, record: Record) {
        let Some(inner) = &self.0 else { return };
        if inner.is_logged {
            record.log();
        }
        if !inner.has_taken(record) {
            LOST.inc();
            inner.say_full();
        }
    }

    /// Waits until all that was handed in before is written or lost; false where that takes longer. Blocks its thread.
    pub fn flush(&self, within: Duration) -> bool {
        let Some(inner) = &self.0 else { return true };
        let (done, is_done) = channel();
        // A queue that is full is one whose disk is not to be waited for.
        inner.queue.try_send(Order::Flush(done)).is_ok() && is_done.recv_timeout(within).is_ok()
    }
}

fn spawn_writer(mut writer: Writer, orders: Receiver<Order>) -> io::Result<()> {
    thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&orders)).map(drop)
}

// === impl Inner ===

impl Inner {
    fn has_taken(&self, record: Record) -> bool {
        let seat = match record.verdict.series() {
            Series::Sales => match self.sales.take((record.who.clone(), record.address)) {
                None => return false,
                seat => seat,
            },
            Series::Access => None,
        };
        self.queue.try_send(Order::Write(record.into(), seat)).is_ok()
    }

    /// Once, until the writer has come to the end of the queue.
    fn say_full(&self) {
        if !self.is_full.swap(true, Ordering::Relaxed) {
            error!("the disk is too slow for audit records: what finds no place in `audit.queue` is lost and counted");
        }
    }
}

// === impl Seats ===

impl Seats {
    fn take(&self, till: Till) -> Option<Seat> {
        let mut taken = lock(&self.taken);
        let of_till = taken.by_till.get(&till).copied().unwrap_or_default();
        if taken.all >= self.all || of_till >= self.all.div_ceil(2) {
            return None;
        }
        taken.all += 1;
        taken.by_till.insert(till.clone(), of_till + 1);
        Some(Seat { taken: Arc::clone(&self.taken), till })
    }
}

// === impl Seat ===

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all -= 1;
        if let Some(of_till) = taken.by_till.get_mut(&self.till) {
            *of_till -= 1;
            if *of_till == 0 {
                taken.by_till.remove(&self.till);
            }
        }
    }
}

/// Nothing panics while it is held.
fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

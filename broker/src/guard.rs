//! Stands between the database and the log file: remembers what is not synced, and cuts the file off after a failure.
//! Does not recover by itself; the engine opens a new guard over a new handle and gives it what the old one remembers.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use crate::disk::RawFile;
use crate::shared::lock;

/// A file as the database sees it.
#[derive(Debug, Clone)]
pub(crate) struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Arc<dyn RawFile>,
    wreck: Mutex<Wreck>,
    /// Nothing reaches the file any more, whatever the database still tries.
    cut_off: AtomicBool,
}

/// What is left of a failed handle.
///
/// After a failed sync the kernel may hold pages that read well and never reach the disk. So what was written since the
/// last good sync is kept, and written again before anything is believed that reads it.
#[derive(Debug, Default)]
pub(crate) struct Wreck {
    unsynced: Vec<(u64, Vec<u8>)>,
    sync_failed: bool,
    /// The disk was full.
    pub(crate) full: bool,
    /// The first failure, in words.
    pub(crate) cause: Option<String>,
}

// === impl Guard ===

impl Guard {
    /// Takes over from a failed handle: first of all its unsynced writes are repeated, if their sync failed.
    pub(crate) fn over(file: Arc<dyn RawFile>, wreck: &Wreck) -> io::Result<Self> {
        if wreck.sync_failed {
            for (offset, data) in &wreck.unsynced {
                file.write(*offset, data)?;
            }
            file.sync()?;
        }
        Ok(Self(Arc::new(Inner { file, wreck: Mutex::default(), cut_off: AtomicBool::new(false) })))
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.file.len().unwrap_or(0)
    }

    /// Cuts the file off and takes what must be known of it.
    pub(crate) fn retire(&self) -> Wreck {
        self.0.cut_off.store(true, Ordering::Release);
        std::mem::take(&mut lock(&self.0.wreck))
    }

    fn checked<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            let mut wreck = lock(&self.0.wreck);
            wreck.full |= is_full(error);
            wreck.cause.get_or_insert_with(|| error.to_string());
        })
    }

    fn file(&self) -> io::Result<&Arc<dyn RawFile>> {
        if self.0.cut_off.load(Ordering::Acquire) {
            return Err(io::Error::other("the storage failed earlier"));
        }
        Ok(&self.0.file)
    }
}

impl StorageBackend for Guard {
    fn len(&self) -> io::Result<u64> {
        self.checked(self.file()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.checked(self.file()?.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.checked(self.file()?.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let result = self.file()?.sync();
        let mut wreck = lock(&self.0.wreck);
        match &result {
            Ok(()) => wreck.unsynced.clear(),
            Err(_) => wreck.sync_failed = true,
        }
        drop(wreck);
        self.checked(result)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        lock(&self.0.wreck).unsynced.push((offset, data.to_vec()));
        self.checked(self.file()?.write(offset, data))
    }
}

// === impl Wreck ===

impl Wreck {
    /// A handle that did not even open.
    pub(crate) fn of(error: &io::Error) -> Self {
        Self { full: is_full(error), cause: Some(error.to_string()), ..Self::default() }
    }

    /// Keeps what an earlier wreck still had to say when the attempt to recover from it failed too.
    pub(crate) fn after(mut self, mut earlier: Wreck) -> Wreck {
        earlier.unsynced.append(&mut self.unsynced);
        earlier.sync_failed |= self.sync_failed;
        earlier.full |= self.full;
        earlier.cause = self.cause.or(earlier.cause);
        earlier
    }
}

/// The errors that space on the disk would cure.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

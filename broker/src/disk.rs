//! The files of a broker: its log, its lock and its reserve; and the seam where a test puts another disk.
//! Does not know what the log holds.

use std::fmt::Debug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::errors::OpenError;

/// Where a broker keeps its files. Tests replace it to lose power or to run out of space.
pub trait Disk: Send + Sync + 'static {
    /// Opens the log, creating it when there is none. Called again after every failure, for a handle without history.
    fn open(&self) -> io::Result<Arc<dyn RawFile>>;

    /// Bytes that may still be written.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Bytes that are kept back at present.
    fn reserve(&self) -> io::Result<u64>;

    /// Keeps so many bytes back for bad times, really allocated; 0 gives them up. Costs nothing when it is so already.
    fn set_reserve(&self, bytes: u64) -> io::Result<()>;
}

/// An open log file.
pub trait RawFile: Debug + Send + Sync + 'static {
    /// Its length.
    fn len(&self) -> io::Result<u64>;

    /// True when nothing was ever written.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Fills `out` from an offset.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data` at an offset; durable only after `sync`.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts or extends with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Returns when everything written is on stable storage.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of its own, locked against a second broker for as long as this lives.
#[derive(Debug)]
pub struct FileDisk {
    dir: PathBuf,
    _lock: File,
}

// === impl FileDisk ===

impl FileDisk {
    /// Creates the directory when needed and locks it.
    pub fn lock(dir: &Path) -> Result<Self, OpenError> {
        let storage = |error: io::Error| OpenError::Storage(format!("{}: {error}", dir.display()));
        create_durably(dir, sync_names).map_err(storage)?;
        let lock = private(&dir.join("lock")).map_err(storage)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked(dir.display().to_string())),
            Err(TryLockError::Error(error)) => Err(storage(error)),
        }
    }
}

impl Disk for FileDisk {
    fn open(&self) -> io::Result<Arc<dyn RawFile>> {
        let file = private(&self.dir.join("queues.redb"))?;
        // Also when the file was there: whoever made it may have died before the name was durable.
        sync_names(&self.dir)?;
        Ok(Arc::new(file))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn reserve(&self) -> io::Result<u64> {
        match self.dir.join("reserve").metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            result => result.map(|metadata| metadata.len()),
        }
    }

    fn set_reserve(&self, bytes: u64) -> io::Result<()> {
        let path = self.dir.join("reserve");
        if bytes == 0 {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let file = private(&path)?;
        if file.metadata()?.len() == bytes {
            return Ok(());
        }
        File::set_len(&file, 0)?;
        allocate(&file, bytes).inspect_err(|_| {
            // Half a reserve would look like a whole one next time.
            let _ = std::fs::remove_file(&path);
        })
    }
}

impl RawFile for File {
    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_all_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Creates a directory and what is missing above it, each durable with its name.
fn create_durably(dir: &Path, sync_names: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let above = dir.ancestors().skip(1).take_while(|one| !one.as_os_str().is_empty());
    let missing: Vec<_> = above.take_while(|one| !one.exists()).collect();
    std::fs::create_dir_all(dir)?;
    // Its own name also when it was there: whoever made it may have died before the name was durable.
    [dir].into_iter().chain(missing).try_for_each(|made| {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_names(parent.unwrap_or(Path::new(".")))
    })
}

/// A new name is durable only when the directory that holds it is.
fn sync_names(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Messages are nobody else's business.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Err(rustix::io::Errno::OPNOTSUPP) => fill(file, bytes),
        result => result.map_err(io::Error::from),
    }
}

/// For file systems that cannot allocate ahead: only written blocks are there for certain.
fn fill(file: &File, bytes: u64) -> io::Result<()> {
    let block = vec![0xA5; 1024 * 1024];
    let mut offset = 0;
    while offset < bytes {
        let len = (bytes - offset).min(block.len() as u64);
        file.write_all_at(&block[..len as usize], offset)?;
        offset += len;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_new_directory_is_as_durable_as_the_messages_in_it_with_all_that_was_made_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let synced = RefCell::new(Vec::new());
        let note = |path: &Path| {
            synced.borrow_mut().push(path.to_owned());
            Ok(())
        };

        create_durably(&dir.path().join("data/broker"), note).unwrap();
        assert_eq!(synced.take(), [dir.path().join("data"), dir.path().to_owned()]);

        create_durably(&dir.path().join("data/broker"), note).unwrap();
        assert_eq!(
            synced.take(),
            [dir.path().join("data")],
            "whoever made it may have died before the name was durable"
        );
    }
}

//! A disk in front of another that can be made full or read-only from outside, and then says what a real one would say.
//! Does not decide when; that is the gate's business, which is asked before every write.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{Disk, RawFile};

/// Says whether writes may pass; its error is what the disk answers.
pub type WriteGate = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// Another disk behind a gate.
pub struct GatedDisk<D> {
    disk: D,
    keeper: Arc<Keeper>,
}

/// An open file behind the gate of its disk.
#[derive(Debug)]
struct GatedFile {
    file: Arc<dyn RawFile>,
    keeper: Arc<Keeper>,
}

/// Asks the gate, and knows what a full disk still takes.
struct Keeper {
    gate: WriteGate,
    /// The reserve was given up while the disk was full: there is room for as long as it stays so.
    reserve_spent: AtomicBool,
}

// === impl Keeper ===

impl Keeper {
    fn check_write(&self) -> io::Result<()> {
        match (self.gate)() {
            Ok(()) => {
                self.reserve_spent.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if is_full(&error) && self.reserve_spent.load(Ordering::Relaxed) => Ok(()),
            refused => refused,
        }
    }

    /// A full disk still opens files and deletes them.
    fn check_names(&self) -> io::Result<()> {
        (self.gate)().or_else(|error| if is_full(&error) { Ok(()) } else { Err(error) })
    }

    fn is_full(&self) -> bool {
        (self.gate)().is_err_and(|error| is_full(&error))
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("reserve_spent", &self.reserve_spent).finish_non_exhaustive()
    }
}

// === impl GatedDisk ===

impl<D: Disk> GatedDisk<D> {
    /// Lets writes pass while the gate does.
    pub fn new(disk: D, gate: WriteGate) -> Self {
        Self { disk, keeper: Arc::new(Keeper { gate, reserve_spent: AtomicBool::new(false) }) }
    }

    fn give_up_reserve(&self) -> io::Result<()> {
        self.keeper.check_names()?;
        let held = self.disk.reserve()?;
        self.disk.set_reserve(0)?;
        if held > 0 && self.keeper.is_full() {
            self.keeper.reserve_spent.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl<D: Disk> Disk for GatedDisk<D> {
    fn open(&self) -> io::Result<Arc<dyn RawFile>> {
        self.keeper.check_names()?;
        Ok(Arc::new(GatedFile { file: self.disk.open()?, keeper: Arc::clone(&self.keeper) }))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        if self.keeper.is_full() { Ok(0) } else { self.disk.free_bytes() }
    }

    fn reserve(&self) -> io::Result<u64> {
        self.disk.reserve()
    }

    fn set_reserve(&self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return self.give_up_reserve();
        }
        if self.disk.reserve()? == bytes {
            return Ok(());
        }
        (self.keeper.gate)()?;
        self.disk.set_reserve(bytes)
    }
}

// === impl GatedFile ===

impl RawFile for GatedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.keeper.check_write()?;
        self.file.write(offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.keeper.check_write()?;
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.keeper.check_write()?;
        self.file.sync()
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull
}

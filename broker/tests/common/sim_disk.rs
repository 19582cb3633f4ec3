//! A disk in memory that loses power, fills up and fails on demand.
//! Models a page cache: what is written reads back at once and is durable only after a sync.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use tillstream_broker::{Disk, RawFile};

/// The smallest piece that a disk writes whole; the pieces of one write may survive separately.
const SECTOR: usize = 512;

/// The smallest piece of space.
const BLOCK: usize = 4096;

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<Platter>>);

#[derive(Debug)]
struct Platter {
    /// What reads see.
    cache: Vec<u8>,
    /// What survives the loss of power.
    durable: Vec<u8>,
    pending: Vec<Pending>,
    /// Blocks that were written; the rest of the file is a hole and takes no space, as on a real file system.
    blocks: HashSet<usize>,
    /// Syncs say yes and do nothing: the defect that the crash tests must be able to find.
    lies: bool,
    capacity: u64,
    reserve: u64,
    /// Operations until the fault strikes.
    fuse: Option<u64>,
    fault: Fault,
    /// The fault heals by striking.
    once: bool,
    syncs: u64,
}

#[derive(Debug, Clone)]
enum Pending {
    Write(usize, Vec<u8>),
    Resize(usize),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// Writes fail with EIO.
    Write,
    /// Reads fail with EIO.
    Read,
    /// Syncs fail with EIO, and as on Linux what was not synced reads well, is never written and never reported again.
    Sync,
}

// === impl SimDisk ===

impl SimDisk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().expect("no test panics while it holds the disk")
    }

    /// A disk whose syncs do nothing.
    pub fn lying() -> Self {
        let disk = Self::default();
        disk.platter().lies = true;
        disk
    }

    /// What a second machine would find after this one lost power now: everything synced, and any part of the rest.
    pub fn after_power_loss(&self, random: &mut fastrand::Rng) -> SimDisk {
        let platter = self.platter();
        let mut survived = platter.durable.clone();
        for pending in &platter.pending {
            match pending {
                Pending::Resize(len) => survived.resize((*len).max(survived.len()), 0),
                Pending::Write(offset, data) => {
                    for (index, sector) in data.chunks(SECTOR).enumerate().filter(|_| random.bool()) {
                        put(&mut survived, offset + index * SECTOR, sector);
                    }
                }
            }
        }
        let next = Platter { cache: survived.clone(), durable: survived, lies: platter.lies, ..Platter::default() };
        SimDisk(Arc::new(Mutex::new(next)))
    }

    /// What the same machine finds after the process was killed: the page cache is intact.
    pub fn after_kill(&self) -> SimDisk {
        let platter = self.platter();
        let next = Platter {
            cache: platter.cache.clone(),
            durable: platter.durable.clone(),
            pending: platter.pending.clone(),
            blocks: platter.blocks.clone(),
            lies: platter.lies,
            capacity: platter.capacity,
            reserve: platter.reserve,
            ..Platter::default()
        };
        SimDisk(Arc::new(Mutex::new(next)))
    }

    /// Lets a fault strike after so many operations of its kind, until `heal`.
    pub fn break_after(&self, fault: Fault, operations: u64) {
        let mut platter = self.platter();
        platter.fault = fault;
        platter.fuse = Some(operations);
    }

    /// Lets a fault strike once after so many operations of its kind; the next one works again.
    pub fn break_once_after(&self, fault: Fault, operations: u64) {
        self.break_after(fault, operations);
        self.platter().once = true;
    }

    pub fn heal(&self) {
        self.platter().fault = Fault::None;
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.platter().capacity = bytes;
    }

    pub fn used(&self) -> u64 {
        self.platter().used()
    }

    pub fn syncs(&self) -> u64 {
        self.platter().syncs
    }

    pub fn reserved(&self) -> u64 {
        self.platter().reserve
    }
}

impl Disk for SimDisk {
    fn open(&self) -> io::Result<Arc<dyn RawFile>> {
        Ok(Arc::new(self.clone()))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let platter = self.platter();
        Ok(platter.capacity.saturating_sub(platter.used()))
    }

    fn reserve(&self) -> io::Result<u64> {
        Ok(self.reserved())
    }

    fn set_reserve(&self, bytes: u64) -> io::Result<()> {
        let mut platter = self.platter();
        let without = platter.used() - platter.reserve;
        if without + bytes > platter.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        platter.reserve = bytes;
        Ok(())
    }
}

impl RawFile for SimDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter().cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut platter = self.platter();
        platter.strike(Fault::Read)?;
        let start = offset as usize;
        let source = platter.cache.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(source);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        platter.strike(Fault::Write)?;
        let touched = offset as usize / BLOCK..(offset as usize + data.len()).div_ceil(BLOCK);
        let new: Vec<usize> = touched.filter(|block| !platter.blocks.contains(block)).collect();
        if platter.used() + (new.len() * BLOCK) as u64 > platter.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        platter.blocks.extend(new);
        put(&mut platter.cache, offset as usize, data);
        platter.pending.push(Pending::Write(offset as usize, data.to_vec()));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.platter();
        platter.strike(Fault::Write)?;
        platter.cache.resize(len as usize, 0);
        platter.blocks.retain(|block| block * BLOCK < len as usize);
        platter.pending.push(Pending::Resize(len as usize));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.syncs += 1;
        if let Err(error) = platter.strike(Fault::Sync) {
            platter.pending.clear();
            return Err(error);
        }
        if platter.lies {
            return Ok(());
        }
        for pending in std::mem::take(&mut platter.pending) {
            match pending {
                Pending::Write(offset, data) => put(&mut platter.durable, offset, &data),
                Pending::Resize(len) => platter.durable.resize(len, 0),
            }
        }
        Ok(())
    }
}

// === impl Platter ===

impl Default for Platter {
    fn default() -> Self {
        Self {
            cache: Vec::new(),
            durable: Vec::new(),
            pending: Vec::new(),
            blocks: HashSet::new(),
            lies: false,
            capacity: u64::MAX / 4,
            reserve: 0,
            fuse: None,
            fault: Fault::None,
            once: false,
            syncs: 0,
        }
    }
}

impl Platter {
    fn used(&self) -> u64 {
        (self.blocks.len() * BLOCK) as u64 + self.reserve
    }

    fn strike(&mut self, kind: Fault) -> io::Result<()> {
        if self.fault != kind {
            return Ok(());
        }
        match &mut self.fuse {
            Some(0) => {
                if std::mem::take(&mut self.once) {
                    self.fault = Fault::None;
                }
                Err(io::Error::from_raw_os_error(5))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn put(image: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if image.len() < offset + data.len() {
        image.resize(offset + data.len(), 0);
    }
    image[offset..offset + data.len()].copy_from_slice(data);
}

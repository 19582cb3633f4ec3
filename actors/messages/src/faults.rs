//! Switches by which faults of the environment are injected: a data directory that takes no writes, a sale that goes wrong.
//! They do nothing until somebody sets them; who may set them is decided where faults are enabled.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

/// What Linux says of a full disk.
const ENOSPC: i32 = 28;
/// What Linux says of a read-only one.
const EROFS: i32 = 30;

/// All switches of one process; clones are the same switches. The default never fires by itself.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentFaults {
    /// Whether the data directory takes writes.
    pub storage: StorageSwitch,
    /// Whether aggregation miscounts its next sale.
    pub tamper: Tamper,
}

/// What is wrong with the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageTrouble {
    /// Not a byte is free: ENOSPC.
    Full,
    /// Mounted read-only: EROFS.
    ReadOnly,
}

/// Stands in front of every store under the data directory; clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct StorageSwitch(Arc<AtomicI32>);

impl StorageSwitch {
    /// From now on every write fails like this; `None` makes the directory well again.
    pub fn set(&self, trouble: Option<StorageTrouble>) {
        let code = match trouble {
            None => 0,
            Some(StorageTrouble::Full) => ENOSPC,
            Some(StorageTrouble::ReadOnly) => EROFS,
        };
        self.0.store(code, Ordering::Relaxed);
    }

    /// Asked by a store before it writes.
    ///
    /// # Errors
    /// What the operating system would say.
    pub fn check(&self) -> io::Result<()> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// How a sale is miscounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    /// Taken from the queue and never counted.
    Lose,
    /// Counted twice, the second time under another id.
    Double,
    /// Counted as one cent more.
    Misprice,
}

/// Makes aggregation miscount one sale, to prove that the ledger sees it; clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct Tamper(Arc<AtomicU8>);

impl Tamper {
    /// The next sale that is delivered to aggregation for the first time is miscounted like this.
    pub fn arm(&self, tampering: Tampering) {
        self.0.store(tampering.code(), Ordering::Relaxed);
    }

    /// Takes the order back. `false`: there was none, or it has been carried out.
    pub fn disarm(&self) -> bool {
        self.0.swap(0, Ordering::Relaxed) != 0
    }

    /// Whether an order has not been carried out yet.
    pub fn is_armed(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Called by who has a sale to miscount: the order, which is carried out with that.
    pub fn take(&self) -> Option<Tampering> {
        Tampering::from_code(self.0.swap(0, Ordering::Relaxed))
    }
}

impl Tampering {
    const fn code(self) -> u8 {
        match self {
            Self::Lose => 1,
            Self::Double => 2,
            Self::Misprice => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Lose),
            2 => Some(Self::Double),
            3 => Some(Self::Misprice),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_told_what_the_operating_system_would_say_until_the_condition_ends() {
        let switch = StorageSwitch::default();
        assert!(switch.check().is_ok());
        for (trouble, kind) in [
            (StorageTrouble::Full, io::ErrorKind::StorageFull),
            (StorageTrouble::ReadOnly, io::ErrorKind::ReadOnlyFilesystem),
        ] {
            switch.set(Some(trouble));
            assert_eq!(switch.clone().check().unwrap_err().kind(), kind);
        }
        switch.set(None);
        assert!(switch.check().is_ok());
    }

    #[test]
    fn an_order_to_miscount_is_carried_out_once_and_can_be_taken_back() {
        let tamper = Tamper::default();
        assert_eq!(tamper.take(), None);
        for tampering in [Tampering::Lose, Tampering::Double, Tampering::Misprice] {
            tamper.clone().arm(tampering);
            assert!(tamper.is_armed());
            assert_eq!((tamper.take(), tamper.take()), (Some(tampering), None));
        }
        tamper.arm(Tampering::Lose);
        assert_eq!((tamper.disarm(), tamper.disarm(), tamper.is_armed()), (true, false, false));
    }
}

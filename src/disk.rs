//! How much space the data directory has left, for `/metrics` and the health document.
//! Refuses nothing; the stores do that themselves.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use prometheus::IntGauge;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use tillstream_messages::StorageSwitch;

/// The disk under the data directory, as the stores on it see it: a fault on purpose counts.
#[derive(Debug, Clone)]
pub struct DataDisk {
    directory: PathBuf,
    storage: StorageSwitch,
}

/// `disk_free_bytes`, read when somebody asks; no sample where the system does not say.
#[derive(Debug, Clone)]
struct FreeSpace {
    gauge: IntGauge,
    disk: Arc<Mutex<Option<DataDisk>>>,
}

static FREE_SPACE: LazyLock<FreeSpace> = LazyLock::new(|| {
    let help = "Bytes that this process may still write under its data directory";
    let gauge = IntGauge::new("disk_free_bytes", help).expect("name and help are not empty");
    let free_space = FreeSpace { gauge, disk: Arc::default() };
    prometheus::register(Box::new(free_space.clone())).expect("the name is registered once, here");
    free_space
});

// === impl DataDisk ===

impl DataDisk {
    /// The disk under this directory.
    pub const fn new(directory: PathBuf, storage: StorageSwitch) -> Self {
        Self { directory, storage }
    }

    /// Bytes that may still be written.
    ///
    /// # Errors
    /// The system does not say.
    pub fn free_bytes(&self) -> io::Result<u64> {
        if self.storage.check().is_err_and(|error| error.kind() == io::ErrorKind::StorageFull) {
            return Ok(0);
        }
        let stat = rustix::fs::statvfs(&self.directory)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// From now on `/metrics` tells of this disk.
    pub fn show(&self) {
        *FREE_SPACE.disk.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clone());
    }
}

// === impl FreeSpace ===

impl Collector for FreeSpace {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Ok(free)) = disk.as_ref().map(DataDisk::free_bytes) else { return Vec::new() };
        self.gauge.set(i64::try_from(free).unwrap_or(i64::MAX));
        self.gauge.collect()
    }
}

#[cfg(test)]
mod tests {
    use tillstream_messages::StorageTrouble;

    use super::*;

    #[test]
    fn a_disk_that_is_full_on_purpose_has_nothing_left_and_a_read_only_one_has_what_it_had() {
        let storage = StorageSwitch::default();
        let disk = DataDisk::new(std::env::temp_dir(), storage.clone());
        assert!(disk.free_bytes().unwrap() > 0);
        storage.set(Some(StorageTrouble::ReadOnly));
        assert!(disk.free_bytes().unwrap() > 0);
        storage.set(Some(StorageTrouble::Full));
        assert_eq!(disk.free_bytes().unwrap(), 0);
    }

    #[test]
    fn a_directory_that_is_gone_shows_no_figure_rather_than_a_wrong_one() {
        let gone = DataDisk::new(PathBuf::from("/no/such/directory"), StorageSwitch::default());
        gone.free_bytes().unwrap_err();
    }
}

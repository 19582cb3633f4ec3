//! What can go wrong with reporting's databases.
//! Every variant is handled alike: nothing is acknowledged, the database is opened again, the batch is tried again.

use tillstream_index::IndexError;
use tillstream_messages::QueryError;

/// Why a database could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The storage engine refused.
    #[error("the storage engine refused, check the disk: {0}")]
    Storage(#[from] fjall::Error),
    /// The directory cannot be made.
    #[error("the data directory cannot be made, check its permissions: {0}")]
    Directory(#[from] std::io::Error),
    /// The index of ids refused.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A record has another shape than this version writes.
    #[error("a record of keyspace `{0}` is damaged or of a newer version, restore the data directory")]
    Damaged(&'static str),
    /// The task on the blocking pool ended without a result.
    #[error("the storage task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<StoreError> for QueryError {
    fn from(error: StoreError) -> Self {
        Self::Storage(error.to_string())
    }
}

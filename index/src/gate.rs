//! Where a caller can make a database of the index refuse writes, as a disk would that is full or read-only.
//! Knows neither why nor for how long.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Asked before everything that is written; what it says is what the disk would say. The default lets all pass.
#[derive(Clone, Default)]
pub struct WriteGate(Option<Arc<Check>>);

type Check = dyn Fn() -> io::Result<()> + Send + Sync;

impl WriteGate {
    /// A gate that asks this closure.
    pub fn new(check: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(check)))
    }

    /// Whether a write may go on.
    ///
    /// # Errors
    /// What the disk would say.
    pub fn check(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |check| check())
    }
}

impl fmt::Debug for WriteGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteGate")
    }
}

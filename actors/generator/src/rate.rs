//! The tills' rate as an operator sets it while they sell.
//! Lies outside the generator actor, so that a restart keeps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Sales per second, on average; clones share it. With 0 the tills pause: what is rung up is still posted.
#[derive(Debug, Clone)]
pub struct Rate(Arc<AtomicU32>);

impl Rate {
    /// This many sales per second.
    pub fn new(per_second: u32) -> Self {
        Self(Arc::new(AtomicU32::new(per_second)))
    }

    /// Sales per second.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Another rate for every incarnation of the generator from now on.
    pub fn set(&self, per_second: u32) {
        self.0.store(per_second, Ordering::Relaxed);
    }
}

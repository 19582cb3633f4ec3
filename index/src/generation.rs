//! How time is cut into generations, so that forgetting is dropping a whole keyspace.
//! Does no I/O.

use std::time::Duration;

/// Generations that cover one horizon: more of them forget more evenly but cost every look-up a filter each.
const PER_HORIZON: u64 = 4;

/// Cuts Unix time into numbered generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calendar {
    span: u64,
    horizon: u64,
}

impl Calendar {
    pub(crate) fn new(horizon: Duration) -> Self {
        let horizon = horizon.as_secs().max(1);
        Self { span: horizon.div_ceil(PER_HORIZON), horizon }
    }

    /// The generation that takes ids at this time.
    pub(crate) const fn number_at(self, unix: u64) -> u64 {
        unix / self.span
    }

    /// Whether even the last id of this generation is older than the horizon.
    pub(crate) const fn is_over(self, number: u64, unix: u64) -> bool {
        (number + 1) * self.span + self.horizon <= unix
    }
}

/// The keyspace of a generation.
pub(crate) fn keyspace_name(index: &str, number: u64) -> String {
    format!("{index}.{number}")
}

/// The generation behind a keyspace's name, if it is one of this index.
pub(crate) fn number_of(index: &str, keyspace: &str) -> Option<u64> {
    keyspace.strip_prefix(index)?.strip_prefix('.')?.parse().ok()
}

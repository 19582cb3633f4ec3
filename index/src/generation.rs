//! How time is cut into generations, so that forgetting is dropping a whole keyspace.
//! Does no I/O and reads no clock: the wall clock counts once, when the index is opened, and from there on only elapsed time.

use std::time::Duration;

/// Generations that cover one horizon: more of them forget more evenly but cost every look-up a filter each.
const PER_HORIZON: u64 = 4;

/// Generations that are kept behind the one that takes ids, so that a horizon has passed since the last id of any that is
/// dropped. One of them is to spare: a wall clock that is wrong when the index is opened ends a generation before its time.
pub(crate) const KEPT: usize = PER_HORIZON as usize + 1;

/// Numbers generations by a clock that moves steadily.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calendar {
    span: u64,
    opened_at: u64,
}

impl Calendar {
    /// `newest` is the generation that took ids last: no later one has a smaller number, whatever the wall clock says today.
    pub(crate) fn new(horizon: Duration, now_unix: u64, newest: Option<u64>) -> Self {
        let span = horizon.as_secs().max(1).div_ceil(PER_HORIZON);
        let earliest = newest.map_or(0, |number| number.saturating_mul(span));
        Self { span, opened_at: now_unix.max(earliest) }
    }

    /// The generation that takes ids so long after the index was opened.
    pub(crate) const fn number_after(self, elapsed: Duration) -> u64 {
        self.opened_at.saturating_add(elapsed.as_secs()) / self.span
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

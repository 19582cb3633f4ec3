//! Keys of the turnover database: big-endian, so that the engine's order is the order of the answers.
//! Does not read or write; builds and takes apart.

use chrono::{DateTime, Utc};
use tillstream_domain::{StoreId, TransactionId};

use crate::storage::Fields;

/// Names a row: one window of one store. Ordered newest window first, then by store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RowKey {
    /// The window's start, turned round so that the newest comes first.
    descending: u64,
    store: StoreId,
}

impl RowKey {
    /// Of the window that starts this many microseconds after the epoch.
    pub(crate) fn new(window_start: i64, store: StoreId) -> Self {
        Self { descending: descending(window_start), store }
    }

    /// Whose row.
    pub(crate) const fn store(self) -> StoreId {
        self.store
    }

    /// The window's start in microseconds since the epoch.
    pub(crate) const fn window_start(self) -> i64 {
        (!self.descending ^ SIGN).cast_signed()
    }

    /// As it is stored: window, store.
    pub(crate) fn bytes(self) -> [u8; 12] {
        joined(self.descending.to_be_bytes(), self.store.number().to_be_bytes())
    }

    /// As the index by store has it: store, window.
    pub(crate) fn by_store(self) -> [u8; 12] {
        joined(self.store.number().to_be_bytes(), self.descending.to_be_bytes())
    }

    /// Of a late sale of this row.
    pub(crate) fn late(self, id: TransactionId) -> [u8; 28] {
        joined(self.bytes(), *id.uuid().as_bytes())
    }

    /// Of the note that the row was last changed on this day.
    pub(crate) fn expiry(self, day: u32) -> [u8; 16] {
        joined(day.to_be_bytes(), self.bytes())
    }

    /// Reads [`Self::bytes`].
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        Some(Self { descending: fields.u64()?, store: StoreId::from_number(fields.u32()?)? })
    }

    /// Reads [`Self::by_store`].
    pub(crate) fn parse_by_store(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        Some(Self { store: StoreId::from_number(fields.u32()?)?, descending: fields.u64()? })
    }

    /// Reads [`Self::expiry`].
    pub(crate) fn parse_expiry(bytes: &[u8]) -> Option<(u32, Self)> {
        let mut fields = Fields(bytes);
        Some((fields.u32()?, Self::parse(fields.0)?))
    }
}

/// Bounds of the windows that start in `[from, to)`, in the order of the keys: both inclusive. `None` where there are none.
pub(crate) fn bounds(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<(u64, u64)> {
    let newest = match to {
        Some(to) => descending(micros_rounded_up(to)).checked_add(1)?,
        None => 0,
    };
    let oldest = from.map_or(u64::MAX, |from| descending(micros_rounded_up(from)));
    (newest <= oldest).then_some((newest, oldest))
}

const SIGN: u64 = 1 << 63;

const fn descending(micros: i64) -> u64 {
    !(micros.cast_unsigned() ^ SIGN)
}

/// Windows start on whole microseconds: one that starts at or after a time starts at or after the next whole one.
fn micros_rounded_up(time: DateTime<Utc>) -> i64 {
    let part = i64::from(!time.timestamp_subsec_nanos().is_multiple_of(1_000));
    time.timestamp_micros().saturating_add(part)
}

/// Puts two parts of a key behind each other.
fn joined<const A: usize, const B: usize, const N: usize>(head: [u8; A], tail: [u8; B]) -> [u8; N] {
    const { assert!(A + B == N, "the parts must fill the key") };
    let mut key = [0; N];
    key[..A].copy_from_slice(&head);
    key[A..].copy_from_slice(&tail);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_sort_newest_window_first_then_by_store(a in any::<i64>(), b in any::<i64>(), store_a in 1_u32..1_000_000, store_b in 1_u32..1_000_000) {
            let key = |start, store| RowKey::new(start, StoreId::from_number(store).expect("in range"));
            let (first, second) = (key(a, store_a), key(b, store_b));

            prop_assert_eq!(first.bytes().cmp(&second.bytes()), b.cmp(&a).then(store_a.cmp(&store_b)));
            prop_assert_eq!(RowKey::parse(&first.bytes()), Some(first));
            prop_assert_eq!(RowKey::parse_by_store(&first.by_store()), Some(first));
            prop_assert_eq!(RowKey::parse_expiry(&first.expiry(7)), Some((7, first)));
            prop_assert_eq!(first.window_start(), a);
        }

        #[test]
        fn bounds_hold_exactly_the_windows_from_inclusive_to_exclusive(
            from in -1_000_i64..1_000, to in -1_000_i64..1_000, start in -1_000_i64..1_000,
        ) {
            let time = |micros| DateTime::from_timestamp_micros(micros).expect("near the epoch");
            let key = descending(start);

            let inside = bounds(Some(time(from)), Some(time(to))).is_some_and(|(low, high)| (low..=high).contains(&key));

            prop_assert_eq!(inside, (from..to).contains(&start));
        }
    }
}

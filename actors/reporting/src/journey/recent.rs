//! The newest things by key: at most so many, and each for at most so long.
//! Does not know what it keeps and has no clock: the caller says what time it is.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

use ahash::AHashMap;
use tokio::time::Instant;

/// Keeps values in the order in which their keys came first.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    capacity: usize,
    seconds: u32,
    began: Instant,
    /// Oldest first.
    slots: VecDeque<Slot<K, V>>,
    /// Number of the first of `slots`, counted from the first ever, and round again after 2^32.
    oldest: u32,
    /// Numbers by key.
    numbers: AHashMap<K, u32>,
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    /// Seconds after `began`.
    since: u32,
    value: V,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    /// Empty; takes memory only for what it holds.
    pub(crate) fn new(capacity: usize, within: Duration, now: Instant) -> Self {
        Self {
            capacity: capacity.min(u32::MAX as usize),
            seconds: whole_seconds(within.saturating_add(Duration::from_millis(999))),
            began: now,
            slots: VecDeque::new(),
            oldest: 0,
            numbers: AHashMap::new(),
        }
    }

    /// How many are held, those included whose time is over and that nobody has looked for since.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What is held under a key.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<&V> {
        let slot = &self.slots[self.place(*self.numbers.get(key)?)];
        (self.age(slot, now) < self.seconds).then_some(&slot.value)
    }

    /// What is held under a key, or a fresh value in its place; the oldest makes room. None where nothing is to be held.
    pub(crate) fn entry(&mut self, key: K, now: Instant, fresh: impl FnOnce() -> V) -> Option<&mut V> {
        self.forget(now);
        if let Some(number) = self.numbers.get(&key) {
            let place = self.place(*number);
            return Some(&mut self.slots[place].value);
        }
        if self.capacity == 0 {
            return None;
        }
        self.make_room();
        let number = self.oldest.wrapping_add(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.numbers.insert(key, number);
        self.slots.push_back(Slot { key, since: self.seconds_at(now), value: fresh() });
        self.slots.back_mut().map(|slot| &mut slot.value)
    }

    /// A value that is still here.
    pub(crate) fn get_mut(&mut self, key: &K, now: Instant) -> Option<&mut V> {
        self.get(key, now)?;
        let place = self.place(*self.numbers.get(key)?);
        self.slots.get_mut(place).map(|slot| &mut slot.value)
    }

    /// Lets go of those whose time is over.
    pub(crate) fn forget(&mut self, now: Instant) {
        while self.slots.front().is_some_and(|slot| self.age(slot, now) >= self.seconds) {
            self.drop_oldest();
        }
    }

    /// Grows by doubling, but never beyond what it may hold.
    fn make_room(&mut self) {
        if self.slots.len() >= self.capacity {
            self.drop_oldest();
        }
        if self.slots.len() == self.slots.capacity() {
            let more = self.slots.len().max(64).min(self.capacity - self.slots.len());
            self.slots.reserve_exact(more);
        }
    }

    fn drop_oldest(&mut self) {
        let Some(slot) = self.slots.pop_front() else { return };
        self.numbers.remove(&slot.key);
        self.oldest = self.oldest.wrapping_add(1);
    }

    fn place(&self, number: u32) -> usize {
        number.wrapping_sub(self.oldest) as usize
    }

    fn age(&self, slot: &Slot<K, V>, now: Instant) -> u32 {
        self.seconds_at(now).saturating_sub(slot.since)
    }

    fn seconds_at(&self, now: Instant) -> u32 {
        whole_seconds(now.saturating_duration_since(self.began))
    }
}

fn whole_seconds(length: Duration) -> u32 {
    u32::try_from(length.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(60);

    #[test]
    fn the_oldest_makes_room_for_the_newest() {
        let now = Instant::now();
        let mut recent = Recent::new(3, WITHIN, now);
        for key in 0..5 {
            *recent.entry(key, now, || 0).expect("there is room") = key * 10;
        }

        assert_eq!(
            [0, 1, 2, 3, 4].map(|key| recent.get(&key, now).copied()),
            [None, None, Some(20), Some(30), Some(40)]
        );
        assert_eq!((recent.len(), recent.numbers.len(), recent.slots.capacity()), (3, 3, 3));
    }

    #[test]
    fn a_value_is_held_for_its_time_however_often_it_changes_and_whether_or_not_others_come() {
        let began = Instant::now();
        let mut recent = Recent::new(100, WITHIN, began);
        recent.entry(1, began, || 1);
        let later = began + WITHIN / 2;
        *recent.entry(1, later, || 0).expect("held") += 1;
        recent.entry(2, later, || 2);

        let end = began + WITHIN;
        assert_eq!((recent.get(&1, end - Duration::from_secs(1)), recent.get(&1, end)), (Some(&2), None));
        recent.forget(end);
        assert_eq!((recent.len(), recent.get(&2, end)), (1, Some(&2)));
        recent.forget(end + WITHIN);
        assert_eq!(recent.len(), 0);
    }

    #[test]
    fn nothing_is_held_where_nothing_may_be() {
        let now = Instant::now();
        let mut none: Recent<u8, u8> = Recent::new(0, WITHIN, now);
        assert!(none.entry(1, now, || 1).is_none());
        let mut never: Recent<u8, u8> = Recent::new(9, Duration::ZERO, now);
        never.entry(1, now, || 1);
        assert!(never.get(&1, now).is_none());
    }

    #[test]
    fn numbers_that_go_round_lose_nothing() {
        let now = Instant::now();
        let mut recent = Recent::new(4, WITHIN, now);
        recent.oldest = u32::MAX - 2;
        for key in 0..10 {
            recent.entry(key, now, || key);
        }
        assert_eq!((6..10).map(|key| recent.get(&key, now).copied()).collect::<Vec<_>>(), [6, 7, 8, 9].map(Some));
    }

    proptest! {
        #[test]
        fn it_holds_exactly_the_newest_keys(keys in prop::collection::vec(0_u8..20, 0..200), capacity in 1_usize..12) {
            let now = Instant::now();
            let mut recent = Recent::new(capacity, WITHIN, now);
            let mut model: Vec<u8> = Vec::new();
            for key in keys {
                recent.entry(key, now, || key);
                if !model.contains(&key) {
                    model.push(key);
                }
                let over = model.len().saturating_sub(capacity);
                model.drain(..over);
                prop_assert!((0..20).all(|key| recent.get(&key, now).is_some() == model.contains(&key)));
                prop_assert_eq!(recent.len(), model.len());
            }
        }
    }
}

//! Says of most ids, from one cache line, that a generation does not hold them: nearly every id that is asked is new.
//! Never denies an id that was added; in doubt, and once it is full, it says "perhaps" and the storage is asked.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use uuid::Uuid;

/// Ids of the first layer; every further one takes twice as many as the one before.
const FIRST_LAYER: u64 = 1 << 18;

/// Seven layers take 33 million ids in 48 MB at most; a small shop never allocates more than the first of 400 kB.
const LAYERS: usize = 7;

/// Bits per id: about one answer in fifty is a needless "perhaps".
const BITS: u64 = 12;

/// Bits that an id sets in its block.
const PROBES: u32 = 6;

/// A bloom filter that grows, written by one thread and read by many without a lock.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    layers: [OnceLock<Layer>; LAYERS],
    added: AtomicU64,
    /// Some id is in no layer.
    full: AtomicBool,
}

/// One cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Block([AtomicU64; 8]);

#[derive(Debug)]
struct Layer(Vec<Block>);

impl Filter {
    /// A filter that denies nothing: for ids that nobody has counted.
    pub(crate) fn undecided() -> Self {
        Self { full: AtomicBool::new(true), ..Self::default() }
    }

    /// Ids that a filter takes before it gives up.
    #[cfg(test)]
    pub(crate) const fn capacity() -> u64 {
        FIRST_LAYER * ((1 << LAYERS) - 1)
    }

    /// Adds an id. A reader sees it at the latest when it hears, from whoever added it, that the id is stored.
    pub(crate) fn add(&self, id: Uuid) {
        if self.full.load(Ordering::Acquire) {
            return;
        }
        let position = self.added.fetch_add(1, Ordering::Relaxed);
        // Layer n starts at FIRST_LAYER * (2^n - 1).
        let layer = (position / FIRST_LAYER + 1).ilog2() as usize;
        match self.layers.get(layer) {
            Some(slot) => slot.get_or_init(|| Layer::with_capacity(FIRST_LAYER << layer)).add(Hash::of(id)),
            None => self.full.store(true, Ordering::Release),
        }
    }

    /// Whether the id may have been added.
    pub(crate) fn may_hold(&self, id: Uuid) -> bool {
        let hash = Hash::of(id);
        self.full.load(Ordering::Acquire) || self.layers.iter().map_while(OnceLock::get).any(|layer| layer.holds(hash))
    }
}

impl Layer {
    fn with_capacity(ids: u64) -> Self {
        let blocks = ids * BITS / 512;
        Self((0..blocks).map(|_| Block::default()).collect())
    }

    fn add(&self, hash: Hash) {
        let block = self.block(hash);
        for (word, mask) in hash.probes() {
            block.0[word].fetch_or(mask, Ordering::Release);
        }
    }

    fn holds(&self, hash: Hash) -> bool {
        let block = self.block(hash);
        hash.probes().all(|(word, mask)| block.0[word].load(Ordering::Acquire) & mask != 0)
    }

    fn block(&self, hash: Hash) -> &Block {
        // A product's upper half is uniform below the count, without a division.
        let position = (u128::from(hash.block) * self.0.len() as u128) >> 64;
        &self.0[position as usize]
    }
}

#[derive(Debug, Clone, Copy)]
struct Hash {
    block: u64,
    bits: u64,
}

impl Hash {
    /// Ids of tills need not be random: every bit of the id reaches every bit of the hash.
    fn of(id: Uuid) -> Self {
        let (upper, lower) = id.as_u64_pair();
        let block = mix(upper ^ mix(lower));
        Self { block, bits: mix(block) }
    }

    /// Word and bit of each probe: nine bits of the hash name one of 512.
    fn probes(self) -> impl Iterator<Item = (usize, u64)> {
        (0..PROBES).map(move |probe| {
            let bit = (self.bits >> (probe * 9)) & 511;
            ((bit >> 6) as usize, 1 << (bit & 63))
        })
    }
}

/// The finalizer of splitmix64.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_added_id_is_never_denied_in_any_layer() {
        let filter = Filter::default();
        let count = u128::from(FIRST_LAYER) * 4;
        (0..count).for_each(|number| filter.add(Uuid::from_u128(number)));
        assert!((0..count).all(|number| filter.may_hold(Uuid::from_u128(number))));
    }

    #[test]
    fn nearly_every_new_id_is_denied_even_where_ids_are_numbered() {
        let filter = Filter::default();
        (0..500_000).for_each(|number| filter.add(Uuid::from_u128(number << 80)));
        let doubted = (500_000..600_000).filter(|number| filter.may_hold(Uuid::from_u128(number << 80))).count();
        assert!(doubted < 5_000, "{doubted} of 100,000");
    }

    #[test]
    fn a_full_filter_denies_nothing() {
        let filter = Filter::default();
        filter.added.store(Filter::capacity(), Ordering::Relaxed);
        assert!(!filter.may_hold(Uuid::from_u128(1)));
        filter.add(Uuid::from_u128(2));
        assert!(filter.may_hold(Uuid::from_u128(1)) && filter.may_hold(Uuid::from_u128(2)));
    }
}

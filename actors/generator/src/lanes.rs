//! Recorded sales that wait for their turn: one lane per store, at most one sale of a lane under way.
//! Does not send anything and does not read the file.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

/// A line of the recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Its store, as a lane is named.
    pub(crate) store: String,
    /// Its number in the file, from 1.
    pub(crate) line: u64,
    /// The request body.
    pub(crate) body: Bytes,
}

/// The lanes of all stores.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// A store is here while one of its sales is under way or waits.
    lanes: HashMap<String, VecDeque<Recorded>>,
    /// Sales whose store has none under way, in the order of the file.
    ready: VecDeque<Recorded>,
    waiting: usize,
}

impl Lanes {
    /// Puts a sale at the end of its store's lane.
    pub(crate) fn push(&mut self, sale: Recorded) {
        self.waiting += 1;
        match self.lanes.get_mut(&sale.store) {
            Some(lane) => lane.push_back(sale),
            None => {
                self.lanes.insert(sale.store.clone(), VecDeque::new());
                self.ready.push_back(sale);
            }
        }
    }

    /// The next sale that may be sent; its store has no other under way.
    pub(crate) fn next(&mut self) -> Option<Recorded> {
        let sale = self.ready.pop_front()?;
        self.waiting -= 1;
        Some(sale)
    }

    /// A store's sale is answered: its next one may be sent.
    pub(crate) fn finish(&mut self, store: &str) {
        match self.lanes.get_mut(store).and_then(VecDeque::pop_front) {
            Some(sale) => self.ready.push_back(sale),
            None => drop(self.lanes.remove(store)),
        }
    }

    /// How many sales wait.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a sale may be sent now.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded_for_test(store: &str, line: u64) -> Recorded {
        Recorded { store: store.to_owned(), line, body: Bytes::new() }
    }

    #[test]
    fn a_store_sends_its_sales_one_at_a_time_and_in_the_order_of_the_file() {
        let mut lanes = Lanes::default();
        for (line, store) in [(1, "a"), (2, "a"), (3, "b"), (4, "a")] {
            lanes.push(recorded_for_test(store, line));
        }

        assert_eq!(
            [lanes.next(), lanes.next(), lanes.next()].map(|sale| sale.map(|sale| sale.line)),
            [Some(1), Some(3), None]
        );
        lanes.finish("a");
        assert_eq!(lanes.next().map(|sale| sale.line), Some(2));
        lanes.finish("b");
        lanes.push(recorded_for_test("b", 5));
        assert_eq!(lanes.next().map(|sale| sale.line), Some(5));
        lanes.finish("a");
        assert_eq!(lanes.next().map(|sale| sale.line), Some(4));
        assert_eq!(lanes.waiting(), 0);
    }
}

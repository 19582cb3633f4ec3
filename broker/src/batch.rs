//! Packs messages into chunks that fill a page of the storage without spilling into the next, those that share no queue
//! apart from each other. Does not decide who takes a message; it comes with its route.

use bytes::Bytes;

use crate::chunks::{CHUNK_MESSAGES, Chunk, Entry};
use crate::stored::StoredMessage;
use crate::topic::Route;

/// Body bytes of a chunk, so that it fits a page of 64 KiB with its key: a page is a power of two long, and one byte
/// more would cost another 64 KiB. A single message may be longer.
const BODY_BYTES: usize = 64 * 1024 - 64;

/// Chunks that are filled at the same time. There are a handful of kinds of messages; with very many kinds, a chunk for
/// each would hold a message or two.
const OPEN_CHUNKS: usize = 16;

/// A chunk on its way to the disk.
#[derive(Debug)]
pub(crate) struct NewChunk {
    pub(crate) id: u64,
    pub(crate) chunk: Chunk,
    pub(crate) body: Bytes,
}

/// Packs messages, in order, into chunks: each joins the newest chunk that one of its queues is in, or begins another.
/// So the ids of each queue's messages ascend in their order, and a message that nobody reads keeps no others on disk
/// than those that its own queues tie to it.
#[derive(Debug)]
pub(crate) struct Packer {
    next_id: u64,
    at_ms: u64,
    done: Vec<NewChunk>,
    /// Ascending by id.
    open: Vec<Open>,
    /// By queue: the chunk of its newest message. A later message must not be in an older chunk.
    newest: Vec<Option<u64>>,
    /// Bytes still to come, so that a small commit does not ask for a large block.
    expected: usize,
}

/// A chunk that takes messages.
#[derive(Debug)]
struct Open {
    id: u64,
    entries: Vec<Entry>,
    routes: Vec<Route>,
    body: Vec<u8>,
}

// === impl Packer ===

impl Packer {
    pub(crate) fn new(next_id: u64, at_ms: u64, expected: usize) -> Self {
        Self { next_id, at_ms, done: Vec::new(), open: Vec::new(), newest: Vec::new(), expected }
    }

    pub(crate) fn add(&mut self, message: StoredMessage<'_>, route: Route) {
        let len = message.len();
        let index = self.with_room(self.joinable(&route), len);
        self.note(&route, self.open[index].id);
        self.expected = self.expected.saturating_sub(len);
        self.open[index].push(message, route);
    }

    /// The chunks, ascending by id, and the id of the one after them.
    pub(crate) fn finish(mut self) -> (Vec<NewChunk>, u64) {
        self.done.extend(self.open.into_iter().map(|open| open.close(self.at_ms)));
        self.done.sort_unstable_by_key(|new| new.id);
        (self.done, self.next_id)
    }

    /// The open chunk that a message with this route may join.
    fn joinable(&self, route: &Route) -> Option<usize> {
        let newest = route.iter().filter_map(|queue| self.newest.get(usize::from(*queue)).copied().flatten()).max();
        match newest {
            Some(id) => self.open.binary_search_by_key(&id, |open| open.id).ok(),
            // Its queues have nothing yet, so that any chunk will do.
            None => (self.open.len() == OPEN_CHUNKS).then_some(OPEN_CHUNKS - 1),
        }
    }

    /// That chunk, or a new one when there is none or it is full.
    fn with_room(&mut self, joinable: Option<usize>, len: usize) -> usize {
        if let Some(index) = joinable.filter(|index| self.open[*index].has_room_for(len)) {
            return index;
        }
        let crowded = (self.open.len() == OPEN_CHUNKS).then_some(0);
        if let Some(leaving) = joinable.or(crowded) {
            self.done.push(self.open.remove(leaving).close(self.at_ms));
        }
        let body = Vec::with_capacity(self.expected.min(BODY_BYTES).max(len));
        self.open.push(Open { id: self.next_id, entries: Vec::new(), routes: Vec::new(), body });
        self.next_id += 1;
        self.open.len() - 1
    }

    fn note(&mut self, route: &Route, chunk: u64) {
        for queue in route.iter().map(|queue| usize::from(*queue)) {
            if self.newest.len() <= queue {
                self.newest.resize(queue + 1, None);
            }
            self.newest[queue] = Some(chunk);
        }
    }
}

// === impl Open ===

impl Open {
    /// Never asked of an empty one, so that a message that is too long for any gets its own.
    fn has_room_for(&self, len: usize) -> bool {
        self.entries.len() < CHUNK_MESSAGES && self.body.len() + len <= BODY_BYTES
    }

    fn push(&mut self, message: StoredMessage<'_>, route: Route) {
        message.append_to(&mut self.body);
        let end = self.body.len() as u32;
        let known = self.routes.iter().position(|one| *one == route);
        let index = known.unwrap_or_else(|| {
            self.routes.push(route);
            self.routes.len() - 1
        });
        let (topic_len, has_properties) = (message.topic.len() as u8, message.has_properties());
        self.entries.push(Entry { end, topic_len, has_properties, route: index as u8 });
    }

    fn close(self, at_ms: u64) -> NewChunk {
        let owed = self.entries.iter().map(|entry| self.routes[entry.route as usize].len() as u32).sum();
        let chunk = Chunk { at_ms, entries: self.entries.into(), routes: self.routes.into(), owed };
        NewChunk { id: self.id, chunk, body: without_slack(self.body) }
    }
}

/// The cache counts lengths, so a block that other chunks left almost empty is copied. One that is almost full is kept
/// as it is: blocks of one size follow each other without holes, and those cut to length would not.
fn without_slack(body: Vec<u8>) -> Bytes {
    if body.len() < body.capacity() / 2 {
        return Bytes::copy_from_slice(&body);
    }
    Bytes::from(body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::chunks::bits;

    const FIRST_ID: u64 = 5;

    /// Packs messages of these routes and payload lengths; a message's number is its place.
    fn pack(messages: &[(Vec<u16>, usize)]) -> Vec<NewChunk> {
        let longest = vec![7; 70_000];
        let message = |number, len: usize| {
            // Every third has properties.
            let (properties, payload) = longest[..len].split_at(if number % 3 == 0 { len / 2 } else { 0 });
            StoredMessage { message_id: Uuid::from_u128(number), topic: "t", properties, payload }
        };
        let expected = messages.iter().map(|(_, len)| message(0, *len).len()).sum();
        let mut packer = Packer::new(FIRST_ID, 0, expected);
        for (number, (route, len)) in (0..).zip(messages) {
            packer.add(message(number, *len), Route::from_slice(route));
        }
        let (chunks, next_id) = packer.finish();
        assert_eq!(next_id, FIRST_ID + chunks.len() as u64);
        chunks
    }

    /// The numbers of a queue's messages as it will deliver them.
    fn delivered(chunks: &[NewChunk], queue: u16) -> Vec<u128> {
        let of_chunk = |new: &NewChunk| -> Vec<u128> {
            let numbers = bits(new.chunk.routed(queue))
                .map(|index| StoredMessage::in_body(&new.chunk, &new.body, index).message_id.as_u128());
            numbers.collect()
        };
        chunks.iter().flat_map(of_chunk).collect()
    }

    fn queues_of(new: &NewChunk) -> Vec<u16> {
        let mut queues: Vec<u16> = new.chunk.routes.iter().flatten().copied().collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    /// Routes as they are: receipts, aggregations of ten stores, late sales, rejected ones.
    fn route(kind: u16) -> Vec<u16> {
        match kind {
            0..10 => vec![0, 1],
            10..20 => vec![2, kind],
            20 => vec![2],
            _ => vec![3],
        }
    }

    fn any_messages() -> impl Strategy<Value = Vec<(Vec<u16>, usize)>> {
        let typical = (0..22u16).prop_map(route);
        let any = prop::collection::btree_set(0..30u16, 1..4).prop_map(|queues| queues.into_iter().collect());
        let len = prop_oneof![20 => 0..2_000usize, 1 => 60_000..70_000usize];
        let mixed = prop_oneof![typical.clone(), any];
        prop_oneof![prop::collection::vec((typical, len.clone()), 0..300), prop::collection::vec((mixed, len), 0..300)]
    }

    proptest! {
        #[test]
        fn every_queue_gets_its_messages_in_the_order_in_which_they_came(messages in any_messages()) {
            let chunks = pack(&messages);

            for queue in 0..30 {
                let takers = (0..).zip(&messages).filter(|(_, (route, _))| route.contains(&queue));
                let expected: Vec<u128> = takers.map(|(number, _)| number).collect();
                prop_assert_eq!(delivered(&chunks, queue), expected, "queue {}", queue);
            }
        }

        #[test]
        fn chunks_are_numbered_without_a_gap_and_fit_their_page(messages in any_messages()) {
            let chunks = pack(&messages);

            for (id, new) in (FIRST_ID..).zip(&chunks) {
                prop_assert_eq!(new.id, id);
                prop_assert_eq!(new.body.len() as u64, new.chunk.body_len());
                prop_assert!((1..=CHUNK_MESSAGES).contains(&new.chunk.entries.len()));
                prop_assert!(new.body.len() <= BODY_BYTES || new.chunk.entries.len() == 1);
                let owed: usize = new.chunk.entries.iter().map(|one| new.chunk.routes[one.route as usize].len()).sum();
                prop_assert_eq!(new.chunk.owed as usize, owed);
            }
        }
    }

    #[test]
    fn messages_without_a_common_queue_share_no_chunk_however_they_alternate() {
        let kinds = (0..120).map(|number| (route([0, 10 + number % 10, 20, 21][number as usize % 4]), 100));

        let chunks = pack(&kinds.collect::<Vec<_>>());

        let queues: Vec<Vec<u16>> = chunks.iter().map(queues_of).collect();
        assert_eq!(queues, [vec![0, 1], vec![2, 11, 13, 15, 17, 19], vec![3]], "one chunk for each kind");
    }

    #[test]
    fn a_message_that_ties_two_chunks_together_is_in_the_newer_one_and_so_is_what_follows_in_its_queues() {
        let routes = [vec![0, 4], vec![1], vec![0, 1], vec![0], vec![1], vec![4]];

        let chunks = pack(&routes.map(|route| (route, 10)));

        assert_eq!(chunks.iter().map(queues_of).collect::<Vec<_>>(), [vec![0, 4], vec![0, 1]]);
        assert_eq!(delivered(&chunks, 4), [0, 5], "the older chunk goes on for the other queue");
    }

    #[test]
    fn a_message_does_not_join_a_chunk_older_than_a_full_one_of_its_other_queue() {
        let full = (0..CHUNK_MESSAGES).map(|_| (vec![1], 10));
        let messages: Vec<_> =
            [(vec![0], 10)].into_iter().chain(full).chain([(vec![0, 1], 10), (vec![0], 10)]).collect();

        let chunks = pack(&messages);

        assert_eq!(chunks.iter().map(|new| new.chunk.entries.len()).collect::<Vec<_>>(), [1, CHUNK_MESSAGES, 2]);
    }

    #[test]
    fn very_many_kinds_of_messages_do_not_make_a_chunk_each() {
        let messages: Vec<_> = (0..300).map(|queue| (vec![queue], 10)).collect();

        let chunks = pack(&messages);

        assert!(chunks.len() <= OPEN_CHUNKS + 300 / CHUNK_MESSAGES, "{} chunks", chunks.len());
    }
}

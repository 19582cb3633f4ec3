//! Delivery tags of one binding and the broker's ids behind them.
//! Knows only what is not acknowledged yet, so it is never larger than the flow's window.

use std::sync::Arc;

use ahash::AHashMap;
use bytes::Bytes;
use tillstream_messages::{DeliveryTag, InboundMessage, TraceContext};

/// The open deliveries of one binding.
pub struct Tags {
    epoch: u32,
    last_number: u64,
    open: AHashMap<u64, u64>,
}

impl Tags {
    /// Nothing delivered yet.
    pub fn new(epoch: u32) -> Self {
        Self { epoch, last_number: 0, open: AHashMap::new() }
    }

    /// Gives a delivery the next tag.
    pub fn tag(
        &mut self,
        id: u64,
        topic: Arc<str>,
        payload: Bytes,
        redelivered: bool,
        trace: Option<TraceContext>,
    ) -> InboundMessage {
        self.last_number += 1;
        self.open.insert(self.last_number, id);
        let tag = DeliveryTag { epoch: self.epoch, number: self.last_number };
        InboundMessage { tag, topic, payload, redelivered, trace }
    }

    /// The ids behind these tags, each once; tags of another binding have none.
    pub fn settle(&mut self, tags: &[DeliveryTag]) -> Vec<u64> {
        let of_this_binding = tags.iter().filter(|tag| tag.epoch == self.epoch);
        of_this_binding.filter_map(|tag| self.open.remove(&tag.number)).collect()
    }

    /// How many deliveries are not acknowledged.
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn tag_of(tags: &mut Tags, id: u64) -> u64 {
        tags.tag(id, "t".into(), Bytes::new(), false, None).tag.number
    }

    proptest! {
        #[test]
        fn every_delivery_is_acknowledged_once_whatever_is_sent_how_often(
            ids in prop::collection::btree_set(0_u64..1000, 0..50),
            acknowledged in prop::collection::vec((1_u32..4, 0_u64..60), 0..200),
        ) {
            let mut tags = Tags::new(2);
            let numbered: Vec<(u64, u64)> = ids.iter().map(|id| (tag_of(&mut tags, *id), *id)).collect();

            let orders: Vec<DeliveryTag> =
                acknowledged.iter().map(|(epoch, number)| DeliveryTag { epoch: *epoch, number: *number }).collect();
            let settled: Vec<u64> = orders.chunks(7).flat_map(|chunk| tags.settle(chunk)).collect();

            let wanted: BTreeSet<u64> = acknowledged.iter().filter(|(epoch, _)| *epoch == 2).map(|(_, n)| *n).collect();
            let expected: BTreeSet<u64> = numbered.iter().filter(|(n, _)| wanted.contains(n)).map(|(_, id)| *id).collect();
            prop_assert_eq!(settled.len(), expected.len());
            prop_assert_eq!(settled.into_iter().collect::<BTreeSet<_>>(), expected.clone());
            prop_assert_eq!(tags.open(), ids.len() - expected.len());
        }
    }
}

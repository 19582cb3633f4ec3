//! The model: what every queue must hold, in maps.
//! Shares no code with the broker, not even how topics match.

use std::collections::BTreeMap;

use crate::{
    ASIDE, DEAD, FEW_REDELIVERIES, LOOSE, LOOSE_QUOTA, MAX_REDELIVERY, QUEUES, STRICT, STRICT_QUOTA, SUBSCRIPTIONS,
    TOPICS, TTL,
};

/// A message in a queue.
#[derive(Debug, Clone, Default)]
pub struct Held {
    pub topic: usize,
    pub bytes: u64,
    pub stored_at: u64,
    pub deliveries: u32,
    /// As many as are on disk, where its queue counts.
    pub sure: u32,
    pub inflight: bool,
}

/// One queue: messages by number, which is their order.
#[derive(Debug)]
pub struct ModelQueue {
    pub held: BTreeMap<u64, Held>,
    pub discarded: u64,
    pub window: usize,
    /// Gone since the last commit that anybody was told of, and whether it counts as discarded: a killed broker may not
    /// know, and have it still.
    pub gone_lately: BTreeMap<u64, (Held, bool)>,
}

#[derive(Debug, Default)]
pub struct Model {
    pub queues: [ModelQueue; QUEUES],
    pub now: u64,
    pub next: u64,
}

/// What a publisher is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Stored,
    Refused,
    NoSubscriber,
}

/// Payload bytes of a message.
pub fn payload_len(long: bool) -> usize {
    if long { 300 } else { 40 }
}

pub fn route(topic: usize) -> Vec<usize> {
    let takes = |queue: &usize| SUBSCRIPTIONS[*queue].iter().any(|subscription| matches(subscription, TOPICS[topic]));
    (0..QUEUES).filter(takes).collect()
}

fn matches(subscription: &str, topic: &str) -> bool {
    if subscription == ">" {
        return true;
    }
    let (pattern, patterns) = subscription.split_once('/').unwrap_or((subscription, ""));
    let (word, words) = topic.split_once('/').unwrap_or((topic, ""));
    let fits = pattern.strip_suffix('*').map_or(pattern == word, |beginning| word.starts_with(beginning));
    match (patterns, words) {
        _ if !fits => false,
        ("", "") => true,
        ("", _) | (_, "") => false,
        _ => matches(patterns, words),
    }
}

// === impl ModelQueue ===

impl Default for ModelQueue {
    fn default() -> Self {
        Self { held: BTreeMap::new(), discarded: 0, window: crate::UNLIMITED, gone_lately: BTreeMap::new() }
    }
}

impl ModelQueue {
    pub fn bytes(&self) -> u64 {
        self.held.values().map(|held| held.bytes).sum()
    }

    pub fn inflight(&self) -> usize {
        self.held.values().filter(|held| held.inflight).count()
    }

    pub fn remove(&mut self, number: u64, discarded: bool) {
        let Some(held) = self.held.remove(&number) else { return };
        self.discarded += u64::from(discarded);
        self.gone_lately.insert(number, (held, discarded));
    }
}

// === impl Model ===

impl Model {
    pub fn publish(&mut self, topic: usize, long: bool) -> Answer {
        let number = self.next;
        self.next += 1;
        let route = route(topic);
        if route.is_empty() {
            return Answer::NoSubscriber;
        }
        let held = self.message(topic, long);
        if route.contains(&STRICT) && self.queues[STRICT].bytes() + held.bytes > STRICT_QUOTA {
            return Answer::Refused;
        }
        for queue in route {
            if queue == LOOSE && self.queues[LOOSE].bytes() + held.bytes > LOOSE_QUOTA {
                self.queues[LOOSE].discarded += 1;
            } else {
                self.queues[queue].held.insert(number, held.clone());
            }
        }
        self.synced();
        Answer::Stored
    }

    pub fn message(&self, topic: usize, long: bool) -> Held {
        let bytes = 16 + TOPICS[topic].len() + payload_len(long);
        Held { topic, bytes: bytes as u64, stored_at: self.now, ..Held::default() }
    }

    /// A commit that somebody was told of takes everything before it to the disk.
    pub fn synced(&mut self) {
        self.forget_what_is_gone();
        for index in [LOOSE, ASIDE] {
            self.queues[index].held.values_mut().for_each(|held| held.sure = held.deliveries);
        }
    }

    pub fn forget_what_is_gone(&mut self) {
        self.queues.iter_mut().for_each(|queue| queue.gone_lately.clear());
    }

    /// The oldest that nobody has, as many as the consumer may have.
    pub fn deliver(&mut self, index: usize, count: usize) -> Vec<(u64, Held)> {
        let queue = &mut self.queues[index];
        let free = queue.window.saturating_sub(queue.inflight()).min(count);
        let open = queue.held.iter_mut().filter(|(_, held)| !held.inflight).take(free);
        let taken = open.map(|(number, held)| {
            held.inflight = true;
            held.deliveries += 1;
            (*number, held.clone())
        });
        taken.collect()
    }

    pub fn acknowledge(&mut self, index: usize, number: u64) {
        self.queues[index].remove(number, false);
    }

    pub fn give_back(&mut self, index: usize, numbers: &[u64]) {
        for number in numbers {
            let Some(held) = self.queues[index].held.get_mut(number) else { continue };
            held.inflight = false;
            let deliveries = held.deliveries;
            if index == LOOSE && deliveries > MAX_REDELIVERY {
                self.bury(*number);
            } else if index == ASIDE && deliveries > FEW_REDELIVERIES {
                self.queues[ASIDE].remove(*number, true);
            }
        }
    }

    /// From `loose` to the dead; waited for, so it is on disk.
    pub fn bury(&mut self, number: u64) {
        let Some(held) = self.queues[LOOSE].held.remove(&number) else { return };
        self.queues[DEAD].held.insert(number, Held { deliveries: 0, sure: 0, inflight: false, ..held });
    }

    pub fn is_old(&self, held: &Held) -> bool {
        !held.inflight && self.now.saturating_sub(held.stored_at) > TTL.as_millis() as u64
    }

    pub fn expire(&mut self) {
        let held = self.queues[LOOSE].held.iter();
        let old: Vec<u64> = held.filter(|(_, held)| self.is_old(held)).map(|(number, _)| *number).collect();
        old.into_iter().for_each(|number| self.queues[LOOSE].remove(number, true));
    }
}

//! The model: what every queue must hold, in maps.
//! Shares no code with the broker, not even how topics match.

use std::collections::{BTreeMap, VecDeque};

use crate::common::properties_of;
use crate::{
    ASIDE, DEAD, FEW_REDELIVERIES, LOOSE, LOOSE_QUOTA, MAX_REDELIVERY, QUEUES, STRICT, STRICT_QUOTA, SUBSCRIPTIONS,
    TOPICS, TTL,
};

/// A message as its publisher sends it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    pub topic: usize,
    /// The queue that it is for, whatever that subscribes to; one behind the last is not there.
    pub to: Option<usize>,
    pub long: bool,
    /// It has properties.
    pub described: bool,
}

/// A message in a queue.
#[derive(Debug, Clone, Default)]
pub struct Held {
    pub sent: Sent,
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
    /// The windows of those who wait until the consumer has gone, in their order.
    pub line: VecDeque<usize>,
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

/// Bytes of a message's properties, and of their length in front of them.
fn properties_len(described: bool) -> usize {
    if described { 4 + properties_of(0).len() } else { 0 }
}

pub fn route(sent: Sent) -> Vec<usize> {
    if let Some(queue) = sent.to {
        return (0..QUEUES).filter(|index| *index == queue).collect();
    }
    let takes =
        |queue: &usize| SUBSCRIPTIONS[*queue].iter().any(|subscription| matches(subscription, TOPICS[sent.topic]));
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
        let (held, line, gone_lately) = Default::default();
        Self { held, discarded: 0, window: crate::UNLIMITED, line, gone_lately }
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
    pub fn publish(&mut self, sent: Sent) -> Answer {
        let number = self.next;
        self.next += 1;
        let route = route(sent);
        if route.is_empty() {
            return Answer::NoSubscriber;
        }
        let held = self.message(sent);
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

    pub fn message(&self, sent: Sent) -> Held {
        let bytes = 16 + TOPICS[sent.topic].len() + properties_len(sent.described) + payload_len(sent.long);
        Held { sent, bytes: bytes as u64, stored_at: self.now, ..Held::default() }
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

    pub fn discard(&mut self, index: usize, number: u64) {
        if index == LOOSE { self.bury(number) } else { self.queues[index].remove(number, true) }
    }

    /// The consumer has gone, and of those in line behind it the first ones, who were served and never knew. Whoever comes
    /// next has the queue, or a newcomer when nobody does.
    pub fn hand_over(&mut self, index: usize, had: &[u64], unaware: usize, newcomer: usize) {
        self.give_back(index, had);
        let queue = &mut self.queues[index];
        queue.line.drain(..unaware);
        queue.window = queue.line.pop_front().unwrap_or(newcomer);
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

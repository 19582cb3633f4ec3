//! Direct messages: who has subscribed to what, and passing a message on to all of them.
//! Nothing here is guaranteed or kept: who is not there, or does not read, misses the message.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use crate::outgoing::Outgoing;
use crate::topics::matches;

/// Everybody's direct subscriptions, ordered so that a message is not compared with each of them.
#[derive(Default)]
pub(crate) struct Switchboard(RwLock<Index>);

#[derive(Default)]
struct Index {
    /// Without wildcards: by topic.
    exact: HashMap<String, Vec<Subscriber>>,
    /// With no other wildcard than a last `>`: by what stands before it. Inboxes are like this.
    below: HashMap<String, Vec<Subscriber>>,
    /// All others.
    patterns: HashMap<String, Vec<Subscriber>>,
}

struct Subscriber {
    connection: u64,
    outgoing: Arc<Outgoing>,
}

// === impl Switchboard ===

impl Switchboard {
    /// Begins a subscription; the connection sees to it that it has each once.
    pub(crate) fn subscribe(&self, subscription: &str, connection: u64, outgoing: &Arc<Outgoing>) {
        let mut index = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (shelf, key) = index.shelf(subscription);
        shelf.entry(key.to_owned()).or_default().push(Subscriber { connection, outgoing: Arc::clone(outgoing) });
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&self, subscription: &str, connection: u64) {
        let mut index = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (shelf, key) = index.shelf(subscription);
        let Some(subscribers) = shelf.get_mut(key) else { return };
        subscribers.retain(|subscriber| subscriber.connection != connection);
        if subscribers.is_empty() {
            shelf.remove(key);
        }
    }

    /// Passes a message on, once to each connection that has a subscription for its topic.
    pub(crate) fn pass_on(&self, topic: &str, frame: &[u8]) {
        let index = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut reached: Vec<&Subscriber> = index.subscribers(topic).collect();
        reached.sort_unstable_by_key(|subscriber| subscriber.connection);
        reached.dedup_by_key(|subscriber| subscriber.connection);
        reached.into_iter().for_each(|subscriber| subscriber.outgoing.pass_on(frame));
    }
}

// === impl Index ===

impl Index {
    fn shelf<'a>(&mut self, subscription: &'a str) -> (&mut HashMap<String, Vec<Subscriber>>, &'a str) {
        match subscription.strip_suffix("/>") {
            Some(before) if !before.contains('*') => (&mut self.below, before),
            None if !subscription.contains('*') && subscription != ">" => (&mut self.exact, subscription),
            _ => (&mut self.patterns, subscription),
        }
    }

    fn subscribers<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Subscriber> {
        let exact = self.exact.get(topic);
        let below = topic.match_indices('/').filter_map(|(at, _)| self.below.get(&topic[..at]));
        let patterns = self.patterns.iter().filter(|(pattern, _)| matches(pattern, topic)).map(|(_, found)| found);
        exact.into_iter().chain(below).chain(patterns).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(subscriptions: &[(&str, u64)], topic: &str) -> Vec<u64> {
        let board = Switchboard::default();
        let buffers: Vec<Arc<Outgoing>> = (0..4).map(|_| Arc::new(Outgoing::new(100))).collect();
        for (subscription, connection) in subscriptions {
            board.subscribe(subscription, *connection, &buffers[*connection as usize]);
        }
        board.pass_on(topic, b"frame");
        let counts = buffers.iter().enumerate().map(|(at, buffer)| (at as u64, buffer.len() / 5));
        counts.flat_map(|(at, count)| std::iter::repeat_n(at, count)).collect()
    }

    #[test]
    fn a_message_reaches_each_subscriber_once_whatever_matches_how_often() {
        let all = [("a/b", 0), ("a/>", 0), ("a/*", 0), (">", 1), ("a/b*", 2), ("a/b/>", 3), ("x/>", 3)];
        assert_eq!(reached(&all, "a/b"), [0, 1, 2]);
        assert_eq!(reached(&all, "a/b/c/d"), [0, 1, 3]);
        assert_eq!(reached(&all, "a"), [1]);
    }

    #[test]
    fn an_inbox_is_reached_by_its_own_subscription_alone() {
        let all = [("#P2P/v:t/1/till/>", 0), (">", 1), ("*/*/>", 2)];
        assert_eq!(reached(&all, "#P2P/v:t/1/till/answer"), [0]);
    }

    #[test]
    fn who_does_not_read_misses_messages_and_is_told_with_the_next() {
        let slow = Outgoing::new(10);
        slow.pass_on(&[3; 6]);
        slow.pass_on(&[3; 6]);
        assert_eq!(slow.len(), 6);
        crate::outgoing::written(&mut slow.bytes(), 6);
        slow.pass_on(&[3; 6]);
        slow.pass_on(&[3; 4]);
        assert_eq!(slow.bytes()[..], [0x83, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
    }

    #[test]
    fn a_subscription_that_ended_gets_nothing_and_leaves_nothing_behind() {
        let board = Switchboard::default();
        let buffer = Arc::new(Outgoing::new(100));
        for subscription in ["a", "a/>", "a*"] {
            board.subscribe(subscription, 1, &buffer);
            board.unsubscribe(subscription, 1);
        }
        board.pass_on("a", b"frame");
        let index = board.0.read().unwrap();
        assert_eq!((buffer.len(), index.exact.len(), index.below.len(), index.patterns.len()), (0, 0, 0, 0));
    }
}

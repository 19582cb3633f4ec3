//! Topics, subscriptions and which queues a topic reaches.
//! Does not know queues beyond their index.

use std::collections::HashMap;

use smallvec::SmallVec;

/// Indexes of the queues that take a message, ascending.
pub(crate) type Route = SmallVec<[u16; 4]>;

/// The longest topic that Solace carries; ours is the same so that both backends behave alike.
const MAX_TOPIC_BYTES: usize = 250;

/// All names of queues and all their subscriptions, these ordered by level, so that a topic is matched without looking at
/// each of them.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    root: Level,
    /// Queues by name, for messages that are sent to one of them.
    queues: HashMap<Box<str>, u16>,
}

#[derive(Debug, Default)]
struct Level {
    /// Queues whose subscription ends here.
    end: Vec<u16>,
    /// Queues whose subscription ends in `>` here: one or more levels must follow.
    rest: Vec<u16>,
    /// The next level, word for word.
    exact: HashMap<Box<str>, Level>,
    /// The next level by how it begins: `abc*`, and `*` itself as the empty beginning.
    prefixes: Vec<(Box<str>, Level)>,
}

// === impl Subscriptions ===

impl Subscriptions {
    /// Adds a subscription of a queue; the error says what is wrong with it.
    pub(crate) fn add(&mut self, subscription: &str, queue: u16) -> Result<(), String> {
        check_length(subscription)?;
        let mut level = &mut self.root;
        let mut words = subscription.split('/').peekable();
        while let Some(word) = words.next() {
            if word == ">" {
                if words.peek().is_some() {
                    return Err(format!("`>` may only be the last level of `{subscription}`"));
                }
                level.rest.push(queue);
                return Ok(());
            }
            level = level.child(word, subscription)?;
        }
        level.end.push(queue);
        Ok(())
    }

    /// From now on messages may be sent to this queue by its name.
    pub(crate) fn name(&mut self, name: &str, queue: u16) {
        self.queues.insert(name.into(), queue);
    }

    /// The queue of this name and no other.
    pub(crate) fn queue(&self, name: &str) -> Route {
        self.queues.get(name).copied().into_iter().collect()
    }

    /// The queues that subscribe to a topic.
    pub(crate) fn route(&self, topic: &str) -> Route {
        let mut route = Route::new();
        self.root.collect(topic, &mut route);
        route.sort_unstable();
        route.dedup();
        route
    }
}

/// Refuses a topic that nobody may publish to.
pub(crate) fn check_publish_topic(topic: &str) -> Result<(), String> {
    check_length(topic)?;
    for word in topic.split('/') {
        if word.is_empty() {
            return Err(format!("`{topic}` has an empty level"));
        }
        if word == ">" || word.contains('*') || word.contains('\0') {
            return Err(format!("`{topic}` has a wildcard or a NUL"));
        }
    }
    Ok(())
}

fn check_length(topic: &str) -> Result<(), String> {
    if topic.is_empty() {
        return Err("it is empty".to_owned());
    }
    if topic.len() > MAX_TOPIC_BYTES {
        return Err(format!("it has {} bytes, at most {MAX_TOPIC_BYTES} are possible", topic.len()));
    }
    Ok(())
}

// === impl Level ===

impl Level {
    fn child(&mut self, word: &str, subscription: &str) -> Result<&mut Level, String> {
        if word.is_empty() {
            return Err(format!("`{subscription}` has an empty level"));
        }
        let Some((beginning, after)) = word.split_once('*') else {
            return Ok(self.exact.entry(word.into()).or_default());
        };
        if !after.is_empty() {
            return Err(format!("`*` may only end a level, not stand inside `{word}`"));
        }
        let known = self.prefixes.iter().position(|(prefix, _)| **prefix == *beginning);
        let index = known.unwrap_or_else(|| {
            self.prefixes.push((beginning.into(), Level::default()));
            self.prefixes.len() - 1
        });
        Ok(&mut self.prefixes[index].1)
    }

    /// `remaining` holds at least one level.
    fn collect(&self, remaining: &str, route: &mut Route) {
        route.extend_from_slice(&self.rest);
        let (word, after) = match remaining.split_once('/') {
            Some((word, after)) => (word, Some(after)),
            None => (remaining, None),
        };
        let begun = self.prefixes.iter().filter(|(prefix, _)| word.starts_with(&**prefix)).map(|(_, level)| level);
        for level in self.exact.get(word).into_iter().chain(begun) {
            match after {
                Some(deeper) => level.collect(deeper, route),
                None => route.extend_from_slice(&level.end),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(subscription: &str, topic: &str) -> bool {
        let mut subscriptions = Subscriptions::default();
        subscriptions.add(subscription, 7).unwrap();
        !subscriptions.route(topic).is_empty()
    }

    #[test]
    fn a_star_stands_for_one_level_and_may_follow_a_beginning() {
        assert!(matches("a/*/c", "a/b/c"));
        assert!(!matches("a/*/c", "a/b/b/c"));
        assert!(!matches("a/*", "a"));
        assert!(matches("a/STORE_*/c", "a/STORE_12/c"));
        assert!(matches("a/STORE_*", "a/STORE_"));
        assert!(!matches("a/STORE_*", "a/CASHIER_1"));
    }

    #[test]
    fn a_greater_sign_stands_for_one_or_more_trailing_levels() {
        assert!(matches("a/>", "a/b"));
        assert!(matches("a/>", "a/b/c/d"));
        assert!(!matches("a/>", "a"));
        assert!(!matches("a/>", "ab/c"));
        assert!(matches(">", "a"));
        assert!(matches("*/b*/>", "x/bcd/e"));
    }

    #[test]
    fn a_queue_with_two_matching_subscriptions_takes_the_message_once() {
        let mut subscriptions = Subscriptions::default();
        for (subscription, queue) in [("a/>", 3), ("a/*", 3), ("a/b", 1), ("x", 2)] {
            subscriptions.add(subscription, queue).unwrap();
        }
        assert_eq!(subscriptions.route("a/b").as_slice(), [1, 3]);
    }

    #[test]
    fn subscriptions_that_solace_would_refuse_are_refused() {
        for wrong in ["", "a//b", "a/>/b", "a/b*c", "/a", "a/"] {
            assert!(Subscriptions::default().add(wrong, 0).is_err(), "{wrong}");
        }
        assert!(Subscriptions::default().add(&"a".repeat(251), 0).is_err());
    }

    #[test]
    fn nobody_publishes_to_wildcards_or_empty_levels() {
        for wrong in ["", "a//b", "a/", "a/*", "a/b*", "a/>", "a\0b"] {
            assert!(check_publish_topic(wrong).is_err(), "{wrong}");
        }
        assert!(check_publish_topic(&"a".repeat(250)).is_ok());
        assert!(check_publish_topic(&"a".repeat(251)).is_err());
        assert!(check_publish_topic("sale/pos/x>y").is_ok());
    }
}

//! Whether a topic is one that a subscription stands for.
//! Keeps no subscriptions; see `switchboard` for direct ones, the broker has those of queues.

/// The longest topic that Solace carries.
const MAX_TOPIC_BYTES: usize = 250;

/// Whether the subscription stands for the topic: `*` and `name*` for one level, a last `>` for one or more. Names that
/// begin with `#` are the broker's own and hidden from a wildcard in the first level.
pub(crate) fn matches(subscription: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    let mut words = subscription.split('/').peekable();
    if topic.starts_with('#') && !subscription.starts_with('#') {
        return false;
    }
    while let Some(word) = words.next() {
        let Some(level) = levels.next() else { return false };
        if word == ">" && words.peek().is_none() {
            return true;
        }
        if !stands_for(word, level) {
            return false;
        }
    }
    levels.next().is_none()
}

/// Whether a topic, or a subscription, is no longer than there can be one. Looking for subscribers takes a look per level.
pub(crate) fn fits(topic: &str) -> bool {
    topic.len() <= MAX_TOPIC_BYTES
}

/// Whether a client may mean something by it.
pub(crate) fn is_subscription(text: &str) -> bool {
    let mut words = text.split('/').peekable();
    while let Some(word) = words.next() {
        let wildcard = word.find('*').is_none_or(|at| at + 1 == word.len());
        let rest = word != ">" || words.peek().is_none();
        if word.is_empty() || !wildcard || !rest {
            return false;
        }
    }
    fits(text)
}

/// Whether a name would stand for others as part of a subscription.
pub(crate) fn has_wildcard(name: &str) -> bool {
    name.split('/').any(|word| word == ">" || word.ends_with('*'))
}

fn stands_for(word: &str, level: &str) -> bool {
    match word.strip_suffix('*') {
        // As a granted subscription `>` and `*` are read as levels: a prefix does not cover what is wider than itself.
        Some(beginning) => level != ">" && level.starts_with(beginning),
        None => word == level,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_what_solace_says() {
        for (subscription, topic) in [
            ("a/b", "a/b"),
            ("a/*", "a/b"),
            ("a/b*/c", "a/bcd/c"),
            ("a/>", "a/b"),
            ("a/>", "a/b/c"),
            (">", "a"),
            ("*/b", "a/b"),
            ("#P2P/v:x/>", "#P2P/v:x/1"),
        ] {
            assert!(matches(subscription, topic), "{subscription} {topic}");
        }
        for (subscription, topic) in [
            ("a/b", "a"),
            ("a", "a/b"),
            ("a/*", "a"),
            ("a/*", "a/b/c"),
            ("a/>", "a"),
            ("a/b*", "a/cb"),
            ("a/>/c", "a/b/c"),
            (">", "#P2P/QUE/q"),
            ("*/QUE/q", "#P2P/QUE/q"),
        ] {
            assert!(!matches(subscription, topic), "{subscription} {topic}");
        }
    }

    #[test]
    fn what_is_no_subscription_is_known_as_such() {
        for fine in ["a", ">", "a/>", "a/*/b*", "#P2P/v:x/1/name/>"] {
            assert!(is_subscription(fine), "{fine}");
        }
        for wrong in ["", "a//b", "/a", "a/", "a/>/b", "a/b*c"] {
            assert!(!is_subscription(wrong), "{wrong}");
        }
        assert!(!is_subscription(&"a".repeat(251)));
    }
}

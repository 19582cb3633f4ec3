//! The newest tree that could be read, and how the next one follows from it.
//! Outlives an incarnation of the actor, so that versions never fall and a broken file never empties the tree.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tillstream_messages::{SecretEntry, SecretInUse, SecretTree, SecretsOverview};
use tokio::time::Instant;

use crate::audience::Audience;
use crate::document::Values;

/// The tree in use; the actor's factory keeps it over restarts.
#[derive(Debug, Clone)]
pub struct LastGood(Arc<Mutex<Reading>>);

#[derive(Debug)]
struct Reading {
    tree: Arc<SecretTree>,
    /// When its source last said so.
    confirmed: Instant,
}

impl LastGood {
    /// Starts with the tree of [`load_or_create`](crate::load_or_create).
    pub fn new(tree: SecretTree) -> Self {
        Self(Arc::new(Mutex::new(Reading { tree: Arc::new(tree), confirmed: Instant::now() })))
    }

    /// The tree in use.
    pub fn tree(&self) -> Arc<SecretTree> {
        Arc::clone(&self.lock().tree)
    }

    /// How long ago its source last said so.
    pub fn age(&self) -> Duration {
        self.lock().confirmed.elapsed()
    }

    /// The tree in use without its values, and who uses what.
    pub fn overview(
        &self,
        source: &'static str,
        until_refresh: Duration,
        trouble: Option<String>,
        audience: &Audience,
    ) -> SecretsOverview {
        let (tree, now) = (self.tree(), Utc::now());
        let in_use = |(path, entry): (&String, &SecretEntry)| SecretInUse {
            path: path.clone(),
            version: entry.version,
            age_seconds: (now - entry.read_at).num_seconds().max(0).unsigned_abs(),
            holders: audience.holders_of(path),
        };
        let secrets = tree.entries.iter().map(in_use).collect();
        SecretsOverview { source, confirmed_at: now - self.age(), next_refresh: now + until_refresh, trouble, secrets }
    }

    /// Takes a new reading over; answers which paths changed.
    pub fn take(&self, values: Values, now: DateTime<Utc>) -> Vec<String> {
        let mut last = self.lock();
        last.confirmed = Instant::now();
        let (tree, changed) = merge(&last.tree, values, now);
        if !changed.is_empty() {
            last.tree = Arc::new(tree);
        }
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tree of these values: unchanged paths keep their version, others get the next one.
pub(crate) fn merge(last: &SecretTree, values: Values, now: DateTime<Utc>) -> (SecretTree, Vec<String>) {
    let mut tree = SecretTree::default();
    let mut changed: Vec<String> = last.entries.keys().filter(|path| !values.contains_key(*path)).cloned().collect();
    for (path, keys) in values {
        let before = last.entries.get(&path);
        let entry = SecretEntry::new(before.map_or(1, |old| old.version + 1), now, keys);
        let unchanged = before.filter(|old| old.same_values(&entry)).cloned();
        if unchanged.is_none() {
            changed.push(path.clone());
        }
        tree.entries.insert(path, unchanged.unwrap_or(entry));
    }
    changed.sort();
    (tree, changed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Plain = BTreeMap<String, BTreeMap<String, String>>;

    fn values(plain: &Plain) -> Values {
        let keys = |entry: &BTreeMap<String, String>| {
            entry.iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect()
        };
        plain.iter().map(|(path, entry)| (path.clone(), keys(entry))).collect()
    }

    fn trees() -> impl Strategy<Value = Plain> {
        let entry = prop::collection::btree_map("[ab]", "[0-9]{1,2}", 0..3);
        prop::collection::btree_map("[pqrs]", entry, 0..5)
    }

    proptest! {
        #[test]
        fn exactly_the_paths_that_differ_are_reported_and_only_they_get_a_new_version(old in trees(), new in trees()) {
            let before = merge(&SecretTree::default(), values(&old), Utc::now()).0;
            let (after, changed) = merge(&before, values(&new), Utc::now());

            let paths = old.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>();
            let differ: Vec<String> = paths.into_iter().filter(|path| old.get(*path) != new.get(*path)).cloned().collect();
            prop_assert_eq!(&changed, &differ);
            for (path, entry) in &after.entries {
                let expected = match before.entries.get(path) {
                    Some(last) if changed.contains(path) => last.version + 1,
                    Some(last) => last.version,
                    None => 1,
                };
                prop_assert_eq!(entry.version, expected);
            }
        }

        #[test]
        fn debug_of_a_tree_never_shows_a_value(secret in "[A-Z][0-9]{3}[a-z]{20}") {
            let plain: Plain = [("a/b".to_owned(), [("password".to_owned(), secret.clone())].into())].into();
            let good = LastGood::new(merge(&SecretTree::default(), values(&plain), Utc::now()).0);
            let shown = format!("{good:?} {:?} {:#?}", good.tree(), good.tree());
            prop_assert!(shown.contains("password") && !shown.contains(&secret));
        }
    }
}

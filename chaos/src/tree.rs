//! The supervision tree as `/actors` tells it, and the choice of a target in it.
//! Does not ask for it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A node of `/actors`; of its fields only what a drill needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Node {
    /// Dotted and unique.
    pub(crate) path: String,
    /// The actor's kind, or `supervisor`.
    pub(crate) kind: String,
    /// `running` when all is well.
    pub(crate) state: String,
    /// In order of start.
    #[serde(default)]
    pub(crate) children: Vec<Node>,
}

/// Whom a fault hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its path.
    pub(crate) path: String,
    /// Its kind.
    pub(crate) kind: String,
}

impl Node {
    /// This node and all below.
    pub(crate) fn all(&self) -> Vec<&Self> {
        let below = self.children.iter().flat_map(Self::all);
        std::iter::once(self).chain(below).collect()
    }

    /// The state of the node at that path.
    pub(crate) fn state_of(&self, path: &str) -> Option<&str> {
        self.all().into_iter().find(|node| node.path == path).map(|node| node.state.as_str())
    }

    /// First a kind, then one of that kind: ten windows do not draw ten times as many faults as one router.
    pub(crate) fn choose(&self, patterns: &[String], pick: (u64, u64)) -> Option<Target> {
        let mut kinds = BTreeMap::<&str, Vec<&str>>::new();
        for node in self.all().into_iter().filter(|node| node.is_wanted(patterns)) {
            kinds.entry(&node.kind).or_default().push(&node.path);
        }
        let kind_place = place(pick.0, kinds.len())?;
        let (kind, mut paths) = kinds.into_iter().nth(kind_place)?;
        paths.sort_unstable();
        let path = paths[place(pick.1, paths.len())?];
        Some(Target { path: path.to_owned(), kind: kind.to_owned() })
    }

    fn is_wanted(&self, patterns: &[String]) -> bool {
        let fits = |pattern: &String| matches(pattern, &self.path) || *pattern == self.kind;
        self.state != "stopped" && (patterns.is_empty() || patterns.iter().any(fits))
    }
}

/// The drawn number as a place in a list of this length.
fn place(pick: u64, length: usize) -> Option<usize> {
    let place = pick.checked_rem(u64::try_from(length).ok()?)?;
    usize::try_from(place).ok()
}

/// `*` stands for any text.
fn matches(pattern: &str, path: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(tail) = path.strip_prefix(head) else { return false };
    (0..=tail.len()).any(|skip| tail.is_char_boundary(skip) && matches(rest, &tail[skip..]))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(path: &str, kind: &str, children: Vec<Node>) -> Node {
        Node { path: path.to_owned(), kind: kind.to_owned(), state: "running".to_owned(), children }
    }

    /// A root with a router and ten windows.
    pub(crate) fn tree_for_test() -> Node {
        let window = |number| node(&format!("root.pipeline.windows.STORE_{number}"), "window", Vec::new());
        let windows = node("root.pipeline.windows", "supervisor", (1..=10).map(window).collect());
        let router = node("root.pipeline.router", "router", Vec::new());
        node("root", "supervisor", vec![node("root.pipeline", "supervisor", vec![router, windows])])
    }

    fn chosen(patterns: &[&str], pick: (u64, u64)) -> Option<String> {
        let patterns: Vec<_> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        tree_for_test().choose(&patterns, pick).map(|target| target.path)
    }

    proptest! {
        #[test]
        fn the_same_draw_in_the_same_tree_is_the_same_target(pick: (u64, u64)) {
            prop_assert_eq!(chosen(&[], pick), chosen(&[], pick));
            prop_assert!(chosen(&[], pick).is_some());
        }
    }

    #[test]
    fn a_kind_is_drawn_as_often_as_another_however_many_actors_it_has() {
        let kinds = (0..300_u64).filter_map(|pick| tree_for_test().choose(&[], (pick, pick / 3)));
        assert_eq!(kinds.filter(|target| target.kind == "router").count(), 100);
    }

    #[test]
    fn a_pattern_names_a_path_a_part_of_the_tree_or_a_kind() {
        assert_eq!(chosen(&["root.pipeline.router"], (9, 9)).unwrap(), "root.pipeline.router");
        assert!(chosen(&["*windows.STORE_1*"], (0, 1)).unwrap().ends_with("STORE_10"));
        assert!(chosen(&["window"], (4, 4)).unwrap().contains("STORE_"));
        assert_eq!(chosen(&["root.nobody.*"], (0, 0)), None);
        assert!(matches("root.*.STORE_3", "root.pipeline.windows.STORE_3"));
        assert!(!matches("root.*.STORE_3", "root.pipeline.windows.STORE_33"));
    }
}

//! The supervision tree as a page reads it: flat, by path, and short however many stores there are.
//! Does not change it.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use tillstream_supervision::Node;

use super::sales::time;

/// More actors of one kind below one supervisor are told of in one line.
const FOLDED_ABOVE: usize = 50;
/// Actors of such lines that have a line of their own nevertheless.
const REMARKABLE: usize = 100;
/// An actor that came back within this time is worth a look.
const LATELY: u64 = 60;
/// From bad to good.
const STATES: [&str; 6] = ["degraded", "stopped", "stopping", "restarting", "starting", "running"];

/// Remembers since when each actor is as it is, so that a line changes only when its actor does.
#[derive(Debug, Default)]
pub struct Actors(HashMap<String, Standing>);

#[derive(Debug)]
struct Standing {
    generation: u64,
    state: String,
    since: DateTime<Utc>,
}

/// One reading of the tree.
struct Page<'a> {
    known: HashMap<String, Standing>,
    actors: &'a mut HashMap<String, Standing>,
    now: DateTime<Utc>,
    lines: Map<String, Value>,
    remarkable: usize,
}

impl Actors {
    /// The tree by path.
    pub fn lines(&mut self, tree: &Node, now: DateTime<Utc>) -> Value {
        let known = std::mem::take(&mut self.0);
        let mut page = Page { known, actors: &mut self.0, now, lines: Map::new(), remarkable: 0 };
        page.group(tree);
        Value::Object(page.lines)
    }
}

impl Page<'_> {
    fn group(&mut self, group: &Node) {
        self.line(group);
        let mut kinds: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
        for child in &group.children {
            if child.kind == "supervisor" {
                self.group(child);
            } else {
                kinds.entry(&child.kind).or_default().push(child);
            }
        }
        for (kind, children) in kinds {
            if children.len() > FOLDED_ABOVE {
                self.fold(&group.path, kind, &children);
            } else {
                children.into_iter().for_each(|child| self.line(child));
            }
        }
    }

    fn fold(&mut self, above: &str, kind: &str, children: &[&Node]) {
        let rank = |node: &&&Node| STATES.iter().position(|state| *state == node.state).unwrap_or(0);
        let worst = children.iter().min_by_key(rank).map_or("running", |node| node.state.as_str());
        let running = children.iter().filter(|node| node.state == "running").count();
        let document = json!({
            "kind": kind,
            "state": worst,
            "count": children.len(),
            "running": running,
            "generation": children.iter().map(|node| node.generation).max(),
            "restarts": children.iter().map(|node| node.restarts).sum::<u64>(),
            "mailbox": children.iter().map(|node| node.mailbox).sum::<usize>(),
        });
        self.lines.insert(format!("{above}.*"), document);
        for child in children.iter().filter(|node| is_remarkable(node)) {
            if self.remarkable == REMARKABLE {
                return;
            }
            self.remarkable += 1;
            self.line(child);
        }
    }

    fn line(&mut self, node: &Node) {
        let since = self.since(node);
        let document = json!({
            "kind": node.kind,
            "state": node.state,
            "generation": node.generation,
            "restarts": node.restarts,
            "mailbox": node.mailbox,
            "last_failure": node.last_failure,
            "since": time(since),
        });
        self.lines.insert(node.path.clone(), document);
    }

    /// What the tree says in whole seconds is read once for each state of each incarnation.
    fn since(&mut self, node: &Node) -> DateTime<Utc> {
        let known = self.known.remove(&node.path);
        let same = known.filter(|known| known.generation == node.generation && known.state == node.state);
        let uptime = TimeDelta::seconds(i64::try_from(node.uptime_seconds).unwrap_or(0));
        let standing = same.unwrap_or_else(|| Standing {
            generation: node.generation,
            state: node.state.clone(),
            since: self.now - uptime,
        });
        let since = standing.since;
        self.actors.insert(node.path.clone(), standing);
        since
    }
}

fn is_remarkable(node: &Node) -> bool {
    node.state != "running" || (node.restarts > 0 && node.uptime_seconds < LATELY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(path: &str, kind: &str, children: Vec<Node>) -> Node {
        Node {
            path: path.to_owned(),
            kind: kind.to_owned(),
            state: "running".to_owned(),
            generation: 1,
            restarts: 0,
            last_failure: None,
            mailbox: 1,
            uptime_seconds: 100,
            children,
        }
    }

    fn tree(stores: usize) -> Node {
        let windows = (1..=stores).map(|store| node(&format!("root.windows.STORE_{store}"), "window", Vec::new()));
        let windows = node("root.windows", "supervisor", windows.collect());
        node("root", "supervisor", vec![windows, node("root.users", "users", Vec::new())])
    }

    #[test]
    fn few_actors_have_a_line_each_and_thousands_have_one_beside_those_that_are_worth_a_look() {
        let now = Utc::now();
        let few = Actors::default().lines(&tree(50), now);
        assert_eq!(few.as_object().unwrap().len(), 53);

        let mut tree = tree(10_000);
        let windows = &mut tree.children[0].children;
        windows[7].state = "restarting".to_owned();
        (windows[8].restarts, windows[8].generation, windows[8].uptime_seconds) = (1, 2, 3);
        (windows[9].restarts, windows[9].generation) = (1, 2);
        let many = Actors::default().lines(&tree, now);
        let line = &many["root.windows.*"];
        assert_eq!([&line["count"], &line["running"], &line["mailbox"]], [10_000, 9_999, 10_000]);
        assert_eq!(
            (line["state"].as_str(), &line["generation"], &line["restarts"]),
            (Some("restarting"), &json!(2), &json!(2))
        );
        assert!(many["root.windows.STORE_8"].is_object() && many["root.windows.STORE_9"].is_object());
        assert_eq!(many.as_object().unwrap().len(), 6);
    }

    #[test]
    fn however_many_fail_at_once_the_model_stays_short() {
        let mut tree = tree(10_000);
        tree.children[0].children.iter_mut().for_each(|window| window.state = "restarting".to_owned());
        let lines = Actors::default().lines(&tree, Utc::now());
        assert_eq!(lines.as_object().unwrap().len(), 4 + REMARKABLE);
    }

    #[test]
    fn since_when_an_actor_is_as_it_is_changes_only_with_it() {
        let (mut actors, now) = (Actors::default(), Utc::now());
        let mut tree = tree(1);
        let first = actors.lines(&tree, now);
        let later = now + TimeDelta::milliseconds(700);
        assert_eq!(actors.lines(&tree, later), first);
        tree.children[1].generation = 2;
        tree.children[1].uptime_seconds = 0;
        let lines = actors.lines(&tree, later);
        assert_eq!(lines["root.users"]["since"], time(later));
        assert_eq!(lines["root"], first["root"]);
    }
}

//! Fails on a dependency between rooms that fences.toml does not allow.
//! Looks at normal and build dependencies only: a test may build its world from any room.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata};
use serde::Deserialize;

use crate::workspace;

/// fences.toml.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fences {
    /// Outside crates that only the rooms naming them may touch, each with the reason.
    fenced: BTreeMap<String, String>,
    /// Every crate of the workspace.
    rooms: BTreeMap<String, Room>,
}

/// What one crate may depend on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Room {
    /// The package's name.
    #[serde(rename = "crate")]
    package: String,
    /// Rooms and fenced outside crates.
    may: BTreeSet<String>,
    /// Why nothing else; becomes part of the failure.
    because: String,
}

/// A dependency as a manifest states it: who, and on which package.
pub type Edge = (String, String);

/// Reads fences.toml and the manifests; prints every forbidden edge.
pub fn check() -> Result<()> {
    let metadata = workspace::metadata()?;
    let path = metadata.workspace_root.join("fences.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let fences: Fences = toml::from_str(&text).with_context(|| format!("understand {path}"))?;
    let (packages, edges) = manifests(&metadata);
    let complaints = fences.complaints(&packages, &edges);
    for complaint in &complaints {
        println!("fences: {complaint}");
    }
    if !complaints.is_empty() {
        bail!("{} fences are crossed; change the manifest, or fences.toml with a reason", complaints.len());
    }
    println!("fences: {} rooms, {} edges, none forbidden", packages.len(), edges.len());
    Ok(())
}

// === impl Fences ===

impl Fences {
    /// One sentence for each thing that is wrong.
    pub fn complaints(&self, packages: &[String], edges: &[Edge]) -> Vec<String> {
        let mut complaints = self.unlisted(packages);
        complaints.extend(self.meaningless());
        complaints.extend(edges.iter().filter_map(|(from, to)| self.forbidden(from, to)));
        complaints
    }

    fn unlisted(&self, packages: &[String]) -> Vec<String> {
        let listed = |package: &&String| self.room_of(package).is_none();
        let missing = packages.iter().filter(listed).map(|package| {
            format!(
                "crate `{package}` is not listed: add [rooms.<name>] with what it may depend on and why nothing else"
            )
        });
        let gone = self.rooms.iter().filter(|(_, room)| !packages.contains(&room.package)).map(|(name, room)| {
            format!("room `{name}` lists crate `{}`, which is not in the workspace: remove the room", room.package)
        });
        missing.chain(gone).collect()
    }

    /// Entries of `may` that name neither a room nor a fenced crate: a typing mistake would open no gate, but hides one.
    fn meaningless(&self) -> Vec<String> {
        let known = |entry: &str| self.rooms.contains_key(entry) || self.fenced.contains_key(entry);
        let entries = self.rooms.iter().flat_map(|(name, room)| room.may.iter().map(move |entry| (name, entry)));
        entries
            .filter(|(_, entry)| !known(entry))
            .map(|(name, entry)| format!("room `{name}` may use `{entry}`, which is neither a room nor in [fenced]"))
            .collect()
    }

    fn forbidden(&self, from: &str, to: &str) -> Option<String> {
        let (name, room) = self.room_of(from)?;
        let (entry, kind, fence) = match self.room_of(to) {
            Some((target, _)) => (target, "room", None),
            None => (to, "crate", Some(self.fenced.get(to)?)),
        };
        if room.may.contains(entry) {
            return None;
        }
        let fence = fence.map(|reason| format!("; `{entry}` is fenced: {reason}")).unwrap_or_default();
        Some(format!("room `{name}` must not depend on {kind} `{entry}`: {}{fence}", room.because))
    }

    fn room_of(&self, package: &str) -> Option<(&str, &Room)> {
        self.rooms.iter().find(|(_, room)| room.package == package).map(|(name, room)| (name.as_str(), room))
    }
}

/// The workspace's packages and what each depends on outside of tests.
fn manifests(metadata: &Metadata) -> (Vec<String>, Vec<Edge>) {
    let packages = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let edges = metadata.packages.iter().flat_map(|package| {
        let normal = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
        normal.map(|dependency| (package.name.to_string(), dependency.name.clone()))
    });
    (packages, edges.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FENCES: &str = r#"
        [fenced]
        redb = "storage belongs to the broker"
        [rooms.broker]
        crate = "shop-broker"
        may = ["redb"]
        because = "it knows no sale"
        [rooms.window]
        crate = "shop-window"
        may = []
        because = "windows do not know the broker"
    "#;

    fn complaints(packages: &[&str], edges: &[(&str, &str)]) -> Vec<String> {
        let fences: Fences = toml::from_str(FENCES).unwrap();
        let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
        let edges: Vec<Edge> = edges.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect();
        fences.complaints(&packages, &edges)
    }

    const BOTH: [&str; 2] = ["shop-broker", "shop-window"];

    #[test]
    fn an_allowed_edge_passes() {
        assert_eq!(complaints(&BOTH, &[("shop-broker", "redb"), ("shop-window", "serde")]), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_edge_between_rooms_is_named_with_its_reason() {
        let red = complaints(&BOTH, &[("shop-window", "shop-broker")]);
        assert_eq!(red, ["room `window` must not depend on room `broker`: windows do not know the broker"]);
    }

    #[test]
    fn a_fenced_outside_crate_is_refused_to_a_room_that_does_not_name_it() {
        let red = complaints(&BOTH, &[("shop-window", "redb")]);
        assert_eq!(
            red,
            ["room `window` must not depend on crate `redb`: windows do not know the broker; \
              `redb` is fenced: storage belongs to the broker"]
        );
    }

    #[test]
    fn a_new_crate_that_nobody_listed_fails() {
        let red = complaints(&["shop-broker", "shop-window", "shop-new"], &[]);
        assert!(red.len() == 1 && red[0].contains("`shop-new` is not listed"), "{red:?}");
    }

    #[test]
    fn a_room_whose_crate_is_gone_fails() {
        let red = complaints(&["shop-broker"], &[]);
        assert!(red.len() == 1 && red[0].contains("`shop-window`, which is not in the workspace"), "{red:?}");
    }

    #[test]
    fn a_misspelt_permission_fails() {
        let text = FENCES.replace("may = []", r#"may = ["brokr"]"#);
        let fences: Fences = toml::from_str(&text).unwrap();
        let red = fences.complaints(&BOTH.map(str::to_owned), &[]);
        assert_eq!(red, ["room `window` may use `brokr`, which is neither a room nor in [fenced]"]);
    }

    #[test]
    fn the_real_fences_cover_the_real_workspace_and_see_a_short_cut() {
        let metadata = workspace::metadata().unwrap();
        let text = std::fs::read_to_string(metadata.workspace_root.join("fences.toml")).unwrap();
        let fences: Fences = toml::from_str(&text).unwrap();
        let (packages, mut edges) = manifests(&metadata);
        edges.push(("tillstream-window".to_owned(), "tillstream-embedded".to_owned()));
        let red = fences.complaints(&packages, &edges);
        assert!(red.iter().any(|sentence| sentence.contains("room `window` must not depend on room `embedded`")));
    }
}

//! Who uses secrets, and what each of them has not been told yet.
//! Does not read secrets and forgets nothing that somebody has yet to hear.

use std::sync::Arc;

use tillstream_messages::{SecretTree, SecretsChanged};
use tillstream_supervision::Port;

/// An actor that uses secrets and is told when they change.
#[derive(Clone)]
pub struct SecretsHolder {
    /// Its path in the tree of actors.
    pub name: String,
    /// The paths that it uses; `/*` at the end stands for everything below.
    pub reads: Vec<String>,
    /// Where it hears of changes.
    pub port: Port<SecretsChanged>,
}

/// All of them, for one incarnation of the actor that reads.
pub struct Audience(Vec<Member>);

struct Member {
    holder: SecretsHolder,
    /// Changes that it has not been told; nothing when it knows the newest tree.
    untold: Option<Vec<String>>,
}

// === impl SecretsHolder ===

impl SecretsHolder {
    /// A holder of these paths.
    pub fn new(name: impl Into<String>, reads: &[&str], port: Port<SecretsChanged>) -> Self {
        Self { name: name.into(), reads: reads.iter().map(|&path| path.to_owned()).collect(), port }
    }

    fn uses(&self, path: &str) -> bool {
        self.reads.iter().any(|read| match read.strip_suffix('*') {
            Some(above) => path.starts_with(above),
            None => read == path,
        })
    }
}

// === impl Audience ===

impl Audience {
    /// Everybody is owed the tree in use once.
    pub fn new(holders: Vec<SecretsHolder>) -> Self {
        Self(holders.into_iter().map(|holder| Member { holder, untold: Some(Vec::new()) }).collect())
    }

    /// Everybody is owed these changes, also where there are none: a listener whose thread blocked has lost its mailbox and
    /// what it was told.
    pub fn owe(&mut self, changed: &[String]) {
        for member in &mut self.0 {
            let untold = member.untold.get_or_insert_default();
            untold.extend_from_slice(changed);
            untold.sort();
            untold.dedup();
        }
    }

    /// Tells whoever is owed something; whose mailbox is closed is told the next time.
    pub fn tell(&mut self, tree: &Arc<SecretTree>) {
        for member in &mut self.0 {
            let Some(changed) = &member.untold else { continue };
            // `push`: at most one per listener and reading.
            let told = member.holder.port.push(SecretsChanged { tree: Arc::clone(tree), changed: changed.clone() });
            if told.is_ok() {
                member.untold = None;
            }
        }
    }

    /// Names of those who use this path.
    pub fn holders_of(&self, path: &str) -> Vec<String> {
        self.0.iter().filter(|member| member.holder.uses(path)).map(|member| member.holder.name.clone()).collect()
    }
}

//! One reading of the tree: every wanted path, what stands there, and which of them are in trouble.
//! All or nothing: a call that fails ends it; a path that is missing or malformed does not, because Vault has said so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use secrecy::SecretString;
use serde_json::Value;
use tillstream_messages::SecretTree;
use tillstream_secrets::{Values, needed_keys, tree_paths, unusable};

use crate::error::VaultError;
use crate::server::{Failure, KvVersion, Server};
use crate::session::Setback;

/// Which paths are read.
pub struct Wanted {
    mount: String,
    /// Named one by one.
    paths: BTreeSet<String>,
    /// Everything directly below these.
    folders: BTreeSet<String>,
}

/// What stood in Vault.
#[derive(Debug, Default)]
pub struct Found {
    /// What is in order.
    pub values: Values,
    /// What is not, though it should be.
    pub troubled: BTreeMap<String, Trouble>,
}

/// What is wrong with a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing there, and somebody needs it.
    Missing,
    /// Not what it should be; with the key, without the value.
    Malformed(String),
}

// === impl Wanted ===

impl Wanted {
    /// `/*` at the end stands for everything directly below.
    pub fn new(mount: &str, patterns: &[String]) -> Self {
        let folders = patterns.iter().filter_map(|pattern| pattern.strip_suffix("/*")).map(str::to_owned).collect();
        let paths = patterns.iter().filter(|pattern| !pattern.ends_with("/*")).cloned().collect();
        Self { mount: mount.to_owned(), paths, folders }
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn read(&self, server: &Server, token: &SecretString) -> Result<Found, Setback> {
        let asking = |failure| Setback { failure, what: format!("asking how {} is mounted", self.mount) };
        let version = server.kv_version(token).await.map_err(asking)?;
        let mut found = Found::default();
        for path in self.paths_now(server, token, version).await? {
            let reading = |failure| self.setback("reading", &path, failure);
            let value = server.read(token, version, &path).await.map_err(reading)?;
            match value.map(|value| keys_of(&path, value)) {
                Some(Ok(keys)) => drop(found.values.insert(path, keys)),
                Some(Err(what)) => drop(found.troubled.insert(path, Trouble::Malformed(what))),
                None if self.needs(&path) => drop(found.troubled.insert(path, Trouble::Missing)),
                // Deleted since it was listed; a deleted version is listed all the same.
                None => {}
            }
        }
        Ok(found)
    }

    /// What is named, what is listed, and what has to be there whether it is listed or not.
    async fn paths_now(
        &self,
        server: &Server,
        token: &SecretString,
        version: KvVersion,
    ) -> Result<BTreeSet<String>, Setback> {
        let mut paths = self.paths.clone();
        paths.extend(tree_paths().filter(|path| self.needs(path)).map(str::to_owned));
        for folder in &self.folders {
            let listing = |failure| self.setback("listing", folder, failure);
            let names = match server.list(token, version, folder).await.map_err(listing)? {
                Some(names) => names,
                // Every installation has something there: the mount is gone, or is of the other version. Nobody was deleted.
                None if self.has_known(folder) => return Err(listing(Failure::Status(404))),
                None => Vec::new(),
            };
            paths.extend(names.iter().filter(|name| !name.ends_with('/')).map(|name| format!("{folder}/{name}")));
        }
        Ok(paths)
    }

    fn has_known(&self, folder: &str) -> bool {
        tree_paths().any(|path| path.rsplit_once('/').is_some_and(|(above, _)| above == folder))
    }

    /// Whether the process cannot do without this path: it is named, or every installation has it.
    pub fn needs(&self, path: &str) -> bool {
        let listed = |folder: &str| self.folders.contains(folder) && tree_paths().any(|known| known == path);
        self.paths.contains(path) || path.rsplit_once('/').is_some_and(|(folder, _)| listed(folder))
    }

    /// For errors: where it stands in Vault.
    pub fn place(&self, path: &str) -> String {
        format!("{}/{path}", self.mount)
    }

    fn setback(&self, doing: &str, path: &str, failure: Failure) -> Setback {
        Setback { failure, what: format!("{doing} {}", self.place(path)) }
    }
}

/// The texts of one path, or what is wrong with them.
fn keys_of(path: &str, value: Value) -> Result<BTreeMap<String, SecretString>, String> {
    let Value::Object(entries) = value else { return Err("holds no keys".to_owned()) };
    let mut keys = BTreeMap::new();
    for (key, value) in entries {
        let Value::String(text) = value else { return Err(format!("holds something else than a text as `{key}`")) };
        keys.insert(key, SecretString::from(text));
    }
    if let Some(key) = needed_keys(path).into_iter().find(|key| is_empty(keys.get(*key))) {
        return Err(format!("lacks a value for `{key}`"));
    }
    match unusable(path, &keys) {
        Some(why) => Err(why.to_owned()),
        None => Ok(keys),
    }
}

fn is_empty(value: Option<&SecretString>) -> bool {
    use secrecy::ExposeSecret;
    value.is_none_or(|secret| secret.expose_secret().is_empty())
}

// === impl Found ===

impl Found {
    /// For the start, where there is no last good value: everything that is needed has to be there.
    ///
    /// # Errors
    /// The first needed path that is in trouble.
    pub fn complete(self, wanted: &Wanted) -> Result<Values, VaultError> {
        let needed = self.troubled.iter().find(|(path, _)| wanted.needs(path));
        let Some((path, trouble)) = needed else { return Ok(self.values) };
        let path = wanted.place(path);
        Err(match trouble.clone() {
            Trouble::Missing => VaultError::Missing { path },
            Trouble::Malformed(what) => VaultError::Malformed { path, what },
        })
    }

    /// Puts the last good values where there is trouble; answers which paths those are.
    pub fn keep(&mut self, last: &SecretTree) -> Vec<String> {
        let mut kept = Vec::new();
        for path in self.troubled.keys() {
            let Some(entry) = last.entries.get(path) else { continue };
            let keys = entry.key_names().filter_map(|key| Some((key.to_owned(), entry.get(key)?.clone()))).collect();
            self.values.insert(path.clone(), keys);
            kept.push(path.clone());
        }
        kept
    }

    /// What is wrong, for people; nothing where nothing is.
    pub fn trouble(&self, wanted: &Wanted) -> Option<String> {
        let told: Vec<String> =
            self.troubled.iter().map(|(path, trouble)| format!("{} {trouble}", wanted.place(path))).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// What the reading is counted as; the worst that was found.
    pub fn outcome(&self, changed: bool) -> &'static str {
        if self.troubled.values().any(|trouble| *trouble != Trouble::Missing) {
            return "malformed";
        }
        if !self.troubled.is_empty() {
            return "missing";
        }
        if changed { "changed" } else { "unchanged" }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is not there any more"),
            Self::Malformed(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(patterns: &[&str]) -> Wanted {
        Wanted::new("kv", &patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_named_and_what_every_installation_has_is_needed_and_other_users_are_not() {
        let wanted = wanted(&["somewhere/else", "validation-service/creds/*"]);
        assert!(wanted.needs("somewhere/else") && wanted.needs("validation-service/creds/admin"));
        assert!(!wanted.needs("validation-service/creds/bistro") && !wanted.needs("message-broker/creds/login"));
    }

    #[test]
    fn whatever_is_wrong_with_a_path_is_said_with_its_key_and_without_its_value() {
        let path = "validation-service/creds/admin";
        let good = json!({"username": "canary-user", "password": "canary-word", "role": "admin"});
        assert!(keys_of(path, good.clone()).is_ok());
        let wrong =
            [("password", json!("")), ("password", json!(4711)), ("role", Value::Null), ("role", json!("Admin"))];
        for (key, value) in wrong {
            let mut bad = good.clone();
            bad[key] = value;
            let what = keys_of(path, bad).unwrap_err();
            assert!(what.contains(key) && !what.contains("canary") && !what.contains("4711"), "{what}");
        }
        assert!(keys_of(path, json!({"username": "canary"})).unwrap_err().contains("password"));
        assert!(keys_of(path, json!("canary")).unwrap_err().contains("no keys"));
    }
}

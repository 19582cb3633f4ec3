//! The tree that a first start makes, and what a later version adds to an older file.
//! Does not overwrite: a key that exists, even an empty one, stays as the operator wrote it.

use secrecy::SecretString;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::error::SecretsError;

/// 62 symbols to the power of 32: 190 bits.
const PASSWORD_LENGTH: usize = 32;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const HEADER: &str = "# Secrets of this installation, one table per path; a change is in use without a restart,\n\
                      # only that of `pos_topic_prefix` at the next start.\n\
                      # Keep this file to yourself: its mode must stay 0600.\n\n";

/// What a key starts with.
#[derive(Clone, Copy)]
pub enum Initial {
    /// The same everywhere.
    Text(&'static str),
    /// Made here, known nowhere else.
    Password,
}

use Initial::{Password, Text};

/// All keys of one path.
pub type Keys = &'static [(&'static str, Initial)];

/// Every path of the local tree; Vault holds the same ones.
pub const TREE: &[(&str, Keys)] = &[
    (
        "message-broker/config",
        &[
            ("pos_topic_prefix", Text("sale/pos/transaction")),
            ("msg_vpn", Text("default")),
            ("smf_protocol", Text("tcp")),
            ("smf_host", Text("127.0.0.1")),
            ("smf_port", Text("55555")),
            ("http_protocol", Text("http")),
            ("http_host", Text("message-broker")),
            ("http_port", Text("8080")),
            ("health_protocol", Text("http")),
            ("health_host", Text("message-broker")),
            ("health_port", Text("5550")),
            ("amqp_host", Text("message-broker")),
            ("amqp_port", Text("5672")),
        ],
    ),
    ("message-broker/config/aggregation-service", &[("queue_name", Text("sale_pos_transaction_aggregation_service"))]),
    ("message-broker/config/otel", &[("queue_name", Text("otel"))]),
    ("message-broker/creds/login", &[("username", Text("admin")), ("password", Password)]),
    ("message-broker/creds/monitor", &[("username", Text("monitor")), ("password", Password)]),
    ("message-broker/creds/otel", &[("username", Text("telemetry_collector_service")), ("password", Password)]),
    (
        "message-broker/creds/validation-service",
        &[("username", Text("sale_pos_transaction_validation")), ("password", Password)],
    ),
    (
        "message-broker/creds/aggregation-service",
        &[("username", Text("sale_pos_transaction_aggregation")), ("password", Password)],
    ),
    (
        "message-broker/creds/reporting-service",
        &[("username", Text("sale_pos_transaction_reporting")), ("password", Password)],
    ),
    ("message-broker/creds/store-service", &[("username", Text("sale_pos_transaction_store")), ("password", Password)]),
    (
        "validation-service/config",
        &[("api_protocol", Text("http")), ("api_host", Text("traefik")), ("api_port", Text("80"))],
    ),
    (
        "validation-service/creds/pos-service",
        &[("username", Text("pos-service_username")), ("password", Password), ("role", Text("pos"))],
    ),
    (
        "validation-service/creds/aggregation-service",
        &[("username", Text("aggregation-service_username")), ("password", Password), ("role", Text("aggregation"))],
    ),
    (
        "validation-service/creds/reporting-service",
        &[("username", Text("reporting-service_username")), ("password", Password), ("role", Text("reporting"))],
    ),
    ("validation-service/creds/admin", &[("username", Text("admin")), ("password", Password), ("role", Text("admin"))]),
    (
        "otel-collector/config",
        &[
            ("otel_protocol", Text("http")),
            ("otel_host", Text("otel-collector")),
            ("otel_port", Text("4317")),
            ("tempo_host", Text("tempo")),
            ("tempo_port", Text("4317")),
        ],
    ),
];

/// Every path of the tree.
pub fn tree_paths() -> impl Iterator<Item = &'static str> {
    TREE.iter().map(|(path, _)| *path)
}

/// The keys without which a path is of no use: those of the tree, and of any further user what a user has.
pub fn needed_keys(path: &str) -> Vec<&'static str> {
    if let Some((_, keys)) = TREE.iter().find(|(known, _)| *known == path) {
        return keys.iter().map(|(key, _)| *key).collect();
    }
    match path.rsplit_once('/') {
        Some(("validation-service/creds", _)) => vec!["username", "password", "role"],
        Some(("message-broker/creds", _)) => vec!["username", "password"],
        _ => Vec::new(),
    }
}

/// What `path` lacks: each key of the tree that it does not have, with what that key starts with. Passwords are fresh.
///
/// # Errors
/// The system's random generator failed.
pub fn missing_keys(path: &str, has: impl Fn(&str) -> bool) -> Result<Vec<(&'static str, SecretString)>, SecretsError> {
    let keys = TREE.iter().filter(|(known, _)| *known == path).flat_map(|(_, keys)| *keys);
    let missing = keys.filter(|(key, _)| !has(key));
    missing.map(|(key, initial)| Ok((*key, SecretString::from(initial.text()?)))).collect()
}

/// A fresh password, as this system makes them.
///
/// # Errors
/// The system's random generator failed.
pub fn random_password() -> Result<SecretString, SecretsError> {
    new_password().map(SecretString::from)
}

/// Adds what is missing and says where, as `path key`.
pub fn complete(document: &mut DocumentMut) -> Result<Vec<String>, SecretsError> {
    if document.is_empty() && document.trailing().as_str().is_none_or(|text| text.trim().is_empty()) {
        document.decor_mut().set_prefix(HEADER);
    }
    let mut added = Vec::new();
    for (path, keys) in TREE {
        let table = document.entry(path).or_insert_with(|| Item::Table(Table::new()));
        for (key, initial) in *keys {
            if add_missing(table, key, *initial)? {
                added.push(format!("{path} {key}"));
            }
        }
    }
    Ok(added)
}

fn add_missing(table: &mut Item, key: &str, initial: Initial) -> Result<bool, SecretsError> {
    let Some(entries) = table.as_table_like_mut().filter(|entries| !entries.contains_key(key)) else {
        return Ok(false);
    };
    entries.insert(key, value(initial.text()?));
    Ok(true)
}

impl Initial {
    fn text(self) -> Result<String, SecretsError> {
        match self {
            Text(text) => Ok(text.to_owned()),
            Password => new_password(),
        }
    }
}

/// A password from the system's random generator, each symbol equally likely.
fn new_password() -> Result<String, SecretsError> {
    let unbiased = u8::try_from(ALPHABET.len() * (256 / ALPHABET.len())).expect("248 fits");
    let mut password = String::with_capacity(PASSWORD_LENGTH);
    while password.len() < PASSWORD_LENGTH {
        let mut random = [0_u8; 2 * PASSWORD_LENGTH];
        getrandom::fill(&mut random).map_err(SecretsError::Random)?;
        let symbols = random.iter().filter(|byte| **byte < unbiased);
        let missing = PASSWORD_LENGTH - password.len();
        password.extend(symbols.take(missing).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn passwords_are_long_plain_and_never_the_same() {
        let passwords: HashSet<String> = (0..100).map(|_| new_password().unwrap()).collect();
        assert_eq!(passwords.len(), 100);
        assert!(
            passwords.iter().all(|text| text.len() == PASSWORD_LENGTH && text.bytes().all(|b| ALPHABET.contains(&b)))
        );
    }

    #[test]
    fn what_the_operator_wrote_stays_and_only_what_is_missing_is_added() {
        let text =
            "# my comment\n[\"validation-service/creds/admin\"]\npassword = \"mine\" # kept\n\n[other]\nkey = \"x\"\n";
        let mut document: DocumentMut = text.parse().unwrap();

        let added = complete(&mut document).unwrap();

        let after = document.to_string();
        assert!(after.starts_with("# my comment\n"));
        assert!(after.contains("password = \"mine\" # kept\n"));
        assert!(after.contains("[other]\nkey = \"x\"\n"));
        assert!(added.contains(&"validation-service/creds/admin role".to_owned()));
        assert!(!added.contains(&"validation-service/creds/admin password".to_owned()));
    }

    #[test]
    fn only_the_keys_that_a_path_does_not_have_are_made_for_it() {
        let path = "validation-service/creds/admin";
        let made = missing_keys(path, |key| key == "password").unwrap();
        assert_eq!(made.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["username", "role"]);
        assert!(missing_keys("somewhere/else", |_| false).unwrap().is_empty());
        assert!(tree_paths().any(|known| known == path));
    }

    #[test]
    fn a_complete_tree_is_not_touched_again() {
        let mut document = DocumentMut::new();
        assert!(!complete(&mut document).unwrap().is_empty());
        let once = document.to_string();
        assert_eq!(complete(&mut document).unwrap(), Vec::<String>::new());
        assert_eq!(document.to_string(), once);
    }
}

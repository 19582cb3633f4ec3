//! Whether an entry of the tree can be a user: what a reader checks before a slip of an operator locks somebody out.
//! Does not know who is let in, and names keys and never values.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use tillstream_domain::UserRole;

/// Below it, users of HTTP.
const HTTP_USERS: &str = "validation-service/creds";
/// Below it, users of the broker.
const BROKER_USERS: &str = "message-broker/creds";

/// Longest `username:password` that is compared at a login.
pub const MAX_LOGIN: usize = 384;

/// Why these keys make no user; nothing where they do, or where `path` is no user's.
pub fn unusable(path: &str, keys: &BTreeMap<String, SecretString>) -> Option<&'static str> {
    let (folder, _) = path.rsplit_once('/')?;
    if folder != HTTP_USERS && folder != BROKER_USERS {
        return None;
    }
    let text = |key| keys.get(key).map(|value| value.expose_secret()).filter(|text| !text.is_empty());
    let (Some(name), Some(password)) = (text("username"), text("password")) else {
        return Some("lacks a value for `username` or `password`");
    };
    if name.len() + 1 + password.len() > MAX_LOGIN {
        return Some("is too long: `username` and `password` together may have 383 bytes");
    }
    if folder == BROKER_USERS {
        return None;
    }
    // A name ends at the first colon of what is sent.
    if name.contains(':') {
        return Some("has a colon in `username`, which no HTTP user can have");
    }
    let has_role = text("role").and_then(UserRole::parse).is_some();
    (!has_role).then_some("has no known `role`: pos, aggregation, reporting or admin")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILL: &str = "validation-service/creds/pos-service";
    const BROKER: &str = "message-broker/creds/validation-service";

    fn judge(path: &str, name: &str, password: &str, role: &str) -> Option<&'static str> {
        let keys = [("username", name), ("password", password), ("role", role)];
        unusable(path, &keys.map(|(key, value)| (key.to_owned(), SecretString::from(value))).into())
    }

    #[test]
    fn an_entry_with_name_password_and_role_is_a_user() {
        assert_eq!(judge(TILL, "till", "word", "pos"), None);
        assert_eq!(judge(BROKER, "broker:user", "word", ""), None);
        assert_eq!(judge(TILL, "t", &"x".repeat(MAX_LOGIN - 2), "pos"), None);
    }

    #[test]
    fn what_the_door_would_not_take_is_no_user() {
        for (name, password, role, key) in [
            ("till", "word", "Pos", "role"),
            ("till", "word", "", "role"),
            ("ti:ll", "word", "pos", "colon"),
            ("", "word", "pos", "username"),
            ("till", "", "pos", "password"),
            ("t", &"x".repeat(MAX_LOGIN - 1), "pos", "too long"),
        ] {
            let why = judge(TILL, name, password, role);
            assert!(why.is_some_and(|why| why.contains(key)), "{key}: {why:?}");
        }
        assert!(judge(BROKER, "b", &"x".repeat(MAX_LOGIN), "").is_some());
    }

    #[test]
    fn what_is_no_users_path_is_not_judged() {
        assert_eq!(judge("message-broker/config", "", "", ""), None);
        assert_eq!(judge("validation-service/creds/a/b", "", "", ""), None);
    }
}

//! Text of the secrets file to values per path.
//! Takes all or nothing: a file that is half written or lacks a needed key is no tree.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use toml_edit::{Document, Item};

use crate::defaults::TREE;
use crate::error::SecretsError;
use crate::users::unusable;

/// The keys of each path.
pub type Values = BTreeMap<String, BTreeMap<String, SecretString>>;

/// Reads a table of texts per path; `file` is only for the error.
pub fn parse(text: &str, file: &Path) -> Result<Values, SecretsError> {
    let document = Document::parse(text)
        .map_err(|error| SecretsError::Syntax { file: file.to_owned(), line: line_of(text, error.span()) })?;
    let mut values = Values::new();
    for (path, item) in document.iter() {
        let shape = |span| SecretsError::Shape { file: file.to_owned(), line: line_of(text, span) };
        values.insert(path.to_owned(), keys_of(item).map_err(shape)?);
    }
    Ok(values)
}

/// Whether everything that this version needs is there and not empty.
pub fn require_all(values: &Values, file: &Path) -> Result<(), SecretsError> {
    for (path, keys) in TREE {
        for (key, _) in *keys {
            let value = values.get(*path).and_then(|entry| entry.get(*key));
            if value.is_none_or(|secret| secret.expose_secret().is_empty()) {
                return Err(SecretsError::Missing { file: file.to_owned(), entry: (*path).to_owned(), key });
            }
        }
    }
    Ok(())
}

/// Whether every entry that would be a user can be one: a slip in one of them must not lock it out.
pub fn require_users(values: &Values, file: &Path) -> Result<(), SecretsError> {
    let wrong = values.iter().find_map(|(path, keys)| Some((path, unusable(path, keys)?)));
    let Some((entry, why)) = wrong else { return Ok(()) };
    Err(SecretsError::NoUser { file: file.to_owned(), entry: entry.clone(), why })
}

/// The texts of one table, or where something else stands.
fn keys_of(item: &Item) -> Result<BTreeMap<String, SecretString>, Option<Range<usize>>> {
    let table = item.as_table_like().ok_or_else(|| item.span())?;
    let mut keys = BTreeMap::new();
    for (key, entry) in table.iter() {
        let text = entry.as_str().ok_or_else(|| entry.span())?;
        keys.insert(key.to_owned(), SecretString::from(text));
    }
    Ok(keys)
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let end = span.map_or(0, |range| range.start.min(text.len()));
    1 + text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> String {
        parse(text, Path::new("secrets.toml")).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_broken_line_is_named_by_its_number_and_never_quoted() {
        let error = message("[\"a/b\"]\nusername = \"u\"\npassword = hunter2hunter2\n");
        assert!(error.contains("line 3"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_number_where_a_text_belongs_is_named_by_its_line() {
        let error = message("[\"a/b\"]\nusername = \"u\"\npassword = 4711\n");
        assert!(error.contains("line 3") && !error.contains("4711"), "{error}");
    }

    #[test]
    fn a_value_outside_of_any_path_is_refused_without_showing_it() {
        let error = message("password = \"swordfish\"\n");
        assert!(error.contains("line 1") && !error.contains("swordfish"), "{error}");
    }

    #[test]
    fn an_empty_file_is_no_tree() {
        let values = parse("", Path::new("secrets.toml")).unwrap();
        assert!(matches!(require_all(&values, Path::new("secrets.toml")), Err(SecretsError::Missing { .. })));
    }

    proptest! {
        #[test]
        fn no_broken_file_puts_its_secret_into_the_error(
            secret in "[A-Z]{5}[0-9]{5}[a-z]{14}", cut in 0_usize..60, junk in "[\\]\\[=\"'{}\n#.,]{1,4}",
        ) {
            let mut text = format!("[\"a/b\"]\nusername = \"u\"\npassword = \"{secret}\"\n");
            text.insert_str(cut.min(text.len()), &junk);
            if let Err(error) = parse(&text, Path::new("secrets.toml")) {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains(&secret[..5]) && !shown.contains(&secret[10..]), "{}", shown);
            }
        }
    }
}

//! Role id and secret id as they stand in their files, read at every login so that a new one is used without a restart.
//! Sends nothing and keeps nothing.

use std::fs;
use std::path::Path;

use secrecy::SecretString;

use crate::error::VaultError;
use crate::settings::VaultSettings;

/// Tokens of Vault and OpenBao begin like this; secret ids are UUIDs, unless an operator made up another.
const TOKEN_PREFIXES: [&str; 2] = ["s.", "hvs."];

/// Who we are.
pub struct Credentials {
    /// The role id.
    pub role_id: String,
    /// What proves it.
    pub proof: Proof,
}

/// What stands in the second file.
pub enum Proof {
    /// The secret id.
    SecretId(SecretString),
    /// A token that is good for unwrapping the secret id, once.
    Wrapped(SecretString),
}

/// Reads both files; blocks.
///
/// # Errors
/// Names the file that cannot be read or holds no single word.
pub fn read(settings: &VaultSettings) -> Result<Credentials, VaultError> {
    let role_id = word("role id", &settings.role_id_file)?;
    let text = word("secret id", &settings.secret_id_file)?;
    let looks_wrapped = TOKEN_PREFIXES.iter().any(|prefix| text.starts_with(prefix));
    let is_wrapped = settings.secret_id_wrapped.unwrap_or(looks_wrapped);
    let proof = if is_wrapped { Proof::Wrapped(text.into()) } else { Proof::SecretId(text.into()) };
    Ok(Credentials { role_id, proof })
}

fn word(what: &'static str, file: &Path) -> Result<String, VaultError> {
    let refuse = |cause: String| VaultError::Credentials { what, file: file.to_owned(), cause };
    let text = fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(refuse("the file is empty".to_owned()));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refuse("there is more than one word in it".to_owned()));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(secret_id: &str) -> (tempfile::TempDir, VaultSettings) {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        fs::write(file("role_id"), "a-role\n").unwrap();
        fs::write(file("secret_id"), secret_id).unwrap();
        let settings = VaultSettings {
            role_id_file: file("role_id"),
            secret_id_file: file("secret_id"),
            ..VaultSettings::default()
        };
        (directory, settings)
    }

    #[test]
    fn a_secret_id_is_told_from_a_wrapping_token_by_its_form_unless_the_settings_say_it() {
        let wrapped = |text: &str, said: Option<bool>| {
            let (_directory, mut settings) = settings(text);
            settings.secret_id_wrapped = said;
            matches!(read(&settings).unwrap().proof, Proof::Wrapped(_))
        };
        assert!(!wrapped("5f2dcd04-4f5c-8cf1-9a5f-0a3f8f0c8a11\n", None));
        assert!(wrapped("s.abcdefgh\n", None) && wrapped("hvs.CAESabcdefgh", None));
        assert!(wrapped("anything", Some(true)) && !wrapped("s.abcdefgh", Some(false)));
    }

    #[test]
    fn a_file_that_is_missing_empty_or_more_than_a_word_is_named_and_never_quoted() {
        for text in ["", " \n", "canary one\n", "canary\u{0}one", "can\u{e4}ry"] {
            let (_directory, settings) = settings(text);
            let error = read(&settings).err().unwrap().to_string();
            assert!(error.contains("secret_id") && !error.contains("canary"), "{error}");
        }
        let (_directory, mut settings) = settings("fine");
        settings.role_id_file = "nowhere/role_id".into();
        assert!(read(&settings).err().unwrap().to_string().contains("put the role id there"));
    }
}

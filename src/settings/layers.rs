//! Layers the settings: defaults, `config/base.toml`, a named file, the environment, the command line.
//! Knows no section; it only makes sure that a mistake is named with its key and where it stands.

use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::{Figment, Source};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Read where the process is started, if it is there.
pub const BASE_FILE: &str = "config/base.toml";
/// Environment variables of this prefix are settings: `TILLSTREAM__HTTP__LISTEN` is `http.listen`.
pub const ENV_PREFIX: &str = "TILLSTREAM__";

/// Where to read.
#[derive(Debug, Clone)]
pub struct Layers {
    /// Skipped when it does not exist.
    pub base: PathBuf,
    /// Must exist when it is named.
    pub file: Option<PathBuf>,
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The file of `--config` is not there.
    #[error("configuration file `{}` does not exist", .0.display())]
    NoSuchFile(PathBuf),
    /// A file that cannot be read, or is no TOML.
    #[error("configuration file `{}` cannot be used: {reason}", .file.display())]
    BrokenFile {
        /// Which.
        file: PathBuf,
        /// What is wrong, and where in it.
        reason: String,
    },
    /// A key that no section has.
    #[error("unknown key `{key}` in {place}; known here: {known}")]
    UnknownKey {
        /// Dotted.
        key: String,
        /// The file or the environment variable.
        place: String,
        /// What could have been meant.
        known: String,
    },
    /// A value that the key cannot have.
    #[error("key `{key}` in {place} cannot be used: {reason}")]
    BadValue {
        /// Dotted.
        key: String,
        /// The file or the environment variable.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Sections that do not fit together.
    #[error("{0}")]
    Inconsistent(String),
}

impl Default for Layers {
    fn default() -> Self {
        Self { base: BASE_FILE.into(), file: None }
    }
}

impl Layers {
    /// Reads all layers; `overrides` are those of the command line, each with its dotted key.
    ///
    /// # Errors
    /// Names the first key that is unknown or has a value that it cannot have, and where it stands.
    pub fn read<T: DeserializeOwned>(&self, overrides: &[(&str, String)]) -> Result<T, SettingsError> {
        let mut figment = Figment::new();
        if self.base.is_file() {
            figment = figment.merge(toml_file(&self.base)?);
        }
        if let Some(file) = &self.file {
            if !file.is_file() {
                return Err(SettingsError::NoSuchFile(file.clone()));
            }
            figment = figment.merge(toml_file(file)?);
        }
        figment = figment.merge(Env::prefixed(ENV_PREFIX).split("__"));
        for (key, value) in overrides {
            figment = figment.merge(command_line(key, value));
        }
        figment.extract().map_err(|error| explain(&figment, error))
    }
}

/// Parsed here once more, because figment does not say which file it could not read.
fn toml_file(file: &Path) -> Result<figment::providers::Data<Toml>, SettingsError> {
    let broken = |reason: String| SettingsError::BrokenFile { file: file.to_owned(), reason };
    let text = std::fs::read_to_string(file).map_err(|error| broken(error.to_string()))?;
    text.parse::<toml::Table>().map_err(|error| broken(error.to_string().trim_end().to_owned()))?;
    Ok(Toml::file_exact(file))
}

fn command_line<'a>(key: &'a str, value: &'a str) -> Serialized<impl Serialize + 'a> {
    Serialized::default(key, value)
}

/// figment knows where each value came from, but an unknown key's error carries the place of its section only.
fn explain(figment: &Figment, error: figment::Error) -> SettingsError {
    let section = error.path.join(".");
    match error.kind {
        Kind::UnknownField(name, known) => {
            let is_named = error.path.last() == Some(&name);
            let key = if is_named { section } else { format!("{section}.{name}") };
            let place = place_of(figment, &key);
            SettingsError::UnknownKey { key, place, known: known.join(", ") }
        }
        kind => {
            let place = place_of(figment, &section);
            let key = if section.is_empty() { "(the whole)".to_owned() } else { section };
            SettingsError::BadValue { key, place, reason: kind.to_string() }
        }
    }
}

fn place_of(figment: &Figment, key: &str) -> String {
    let Some(metadata) = figment.find_metadata(key) else { return "the configuration".to_owned() };
    match &metadata.source {
        Some(Source::File(file)) => format!("file `{}`", shown(file)),
        _ if metadata.name.contains("environment") => {
            format!("environment variable `{ENV_PREFIX}{}`", key.to_uppercase().replace('.', "__"))
        }
        _ => "the command line".to_owned(),
    }
}

fn shown(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(here).unwrap_or(file).display().to_string()
}

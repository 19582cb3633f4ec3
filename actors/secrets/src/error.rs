//! Why secrets could not be read or made.
//! Every text may be logged: it names places, never what stands there.

use std::io;
use std::path::PathBuf;

/// What went wrong with the secrets file and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The operating system refused.
    #[error("cannot {action} the secrets file `{}`: {source}", file.display())]
    Io {
        /// Such as `read`.
        action: &'static str,
        /// Which file.
        file: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Not TOML. The parser's own text is left out because it quotes the line.
    #[error("`{}` is not valid TOML at line {line}: correct that line", file.display())]
    Syntax {
        /// Which file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// TOML, but not a table of texts per path.
    #[error("`{}` line {line}: expected a table per path whose values are texts, such as `password = \"...\"`", file.display())]
    Shape {
        /// Which file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A key that this version needs is absent or empty.
    #[error("`{}` lacks a value for key `{key}` of path `{entry}`: add it", file.display())]
    Missing {
        /// Which file.
        file: PathBuf,
        /// Which path of the tree.
        entry: String,
        /// Which key of that path.
        key: &'static str,
    },
    /// An entry that would be a user and cannot be one.
    #[error("`{}`: path `{entry}` {why}: correct it", file.display())]
    NoUser {
        /// Which file.
        file: PathBuf,
        /// Which path of the tree.
        entry: String,
        /// What is wrong, without a value.
        why: &'static str,
    },
    /// Others can read or write the file and its mode cannot be changed.
    #[error("`{}` is open to other users (mode {mode:04o}) and cannot be repaired: run `chmod 600` on it ({source})", file.display())]
    Exposed {
        /// Which file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Why the repair failed.
        source: io::Error,
    },
    /// No password could be made.
    #[error("the system's random generator failed: {0}")]
    Random(getrandom::Error),
}

impl SecretsError {
    /// The same for whoever has not logged in: a path that is named after a user is told by its folder.
    pub(crate) fn for_anybody(&self) -> String {
        match self {
            Self::Missing { file, entry, key } => {
                Self::Missing { file: file.clone(), entry: kind_of(entry), key }.to_string()
            }
            Self::NoUser { file, entry, why } => {
                Self::NoUser { file: file.clone(), entry: kind_of(entry), why }.to_string()
            }
            other => other.to_string(),
        }
    }

    /// For `map_err` on file operations.
    pub(crate) fn io(action: &'static str, file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::Io { action, file, source }
    }
}

/// `a/creds/*` for every user's path in that folder; other paths are the same everywhere.
fn kind_of(entry: &str) -> String {
    match entry.rsplit_once('/') {
        Some((folder, _)) if folder.ends_with("/creds") => format!("{folder}/*"),
        _ => entry.to_owned(),
    }
}

//! The secrets file itself: read it, make it, add to it, keep it private.
//! A file that others may read is repaired with a warning, and refused where the repair is not allowed.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::Utc;
use tillstream_messages::SecretTree;
use toml_edit::DocumentMut;
use tracing::{info, warn};

use crate::defaults::complete;
use crate::document::{Values, parse, require_all, require_users};
use crate::error::SecretsError;
use crate::last_good::merge;

const PRIVATE: u32 = 0o600;

/// Two threads that start at once write two drafts.
static DRAFTS: AtomicU32 = AtomicU32::new(0);

/// Reads the file, making it or adding missing keys first; for the start, before anything serves.
///
/// # Errors
/// Says what is wrong with the file; a broken file is never overwritten.
pub fn load_or_create(path: &Path) -> Result<SecretTree, SecretsError> {
    let values = match read_text(path) {
        Err(SecretsError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => create(path)?,
        Err(error) => return Err(error),
        Ok(text) => add_missing(path, &text)?,
    };
    require_all(&values, path)?;
    if let Err(reason) = require_users(&values, path) {
        // Nothing good is known yet that could stay; everybody else is let in.
        warn!(%reason, "somebody in the secrets file cannot log in");
    }
    Ok(merge(&SecretTree::default(), values, Utc::now()).0)
}

/// Reads the file as it is, for a running process: a key that went missing is an error, not a reason to invent one.
pub fn read(path: &Path) -> Result<Values, SecretsError> {
    let values = parse(&read_text(path)?, path)?;
    require_all(&values, path)?;
    require_users(&values, path)?;
    Ok(values)
}

fn read_text(path: &Path) -> Result<String, SecretsError> {
    keep_private(path)?;
    fs::read_to_string(path).map_err(SecretsError::io("read", path))
}

/// Takes group and others their rights.
fn keep_private(path: &Path) -> Result<(), SecretsError> {
    let metadata = fs::metadata(path).map_err(SecretsError::io("read", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)).map_err(|source| SecretsError::Exposed {
        file: path.to_owned(),
        mode,
        source,
    })?;
    warn!(file = %path.display(), mode = format!("{mode:04o}"), "secrets file was open to other users, closed it to them");
    Ok(())
}

fn create(path: &Path) -> Result<Values, SecretsError> {
    let mut document = DocumentMut::new();
    complete(&mut document)?;
    let directory = directory_of(path);
    fs::create_dir_all(directory).map_err(SecretsError::io("make the directory of", path))?;
    let draft = Draft::write(path, &document.to_string())?;
    match fs::hard_link(&draft.0, path) {
        // Another process was first: its passwords are the ones that hold.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return parse(&read_text(path)?, path),
        linked => linked.map_err(SecretsError::io("create", path))?,
    }
    sync_directory(path)?;
    info!(file = %path.display(), "made the secrets file with random passwords");
    parse(&document.to_string(), path)
}

fn add_missing(path: &Path, text: &str) -> Result<Values, SecretsError> {
    let values = parse(text, path)?;
    let mut document: DocumentMut =
        text.parse().map_err(|_| SecretsError::Syntax { file: path.to_owned(), line: 1 })?;
    let added = complete(&mut document)?;
    if added.is_empty() {
        return Ok(values);
    }
    // A link to the file stays a link.
    let target = fs::canonicalize(path).map_err(SecretsError::io("find", path))?;
    let draft = Draft::write(&target, &document.to_string())?;
    fs::rename(&draft.0, &target).map_err(SecretsError::io("replace", path))?;
    sync_directory(&target)?;
    info!(file = %path.display(), secrets.added = added.len(), "added missing keys to the secrets file: {}", added.join(", "));
    parse(&document.to_string(), path)
}

/// A finished, synced, private copy beside the file; removed when it was not renamed away.
struct Draft(PathBuf);

impl Draft {
    fn write(path: &Path, text: &str) -> Result<Self, SecretsError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let draft = directory_of(path).join(format!(".{name}.{}-{number}.new", std::process::id()));
        // Left over from a process of the same number that died half way.
        drop(fs::remove_file(&draft));
        let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&draft);
        let mut file = file.map_err(SecretsError::io("create", &draft))?;
        let guard = Self(draft);
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(SecretsError::io("write", path))?;
        Ok(guard)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

fn sync_directory(path: &Path) -> Result<(), SecretsError> {
    File::open(directory_of(path)).and_then(|directory| directory.sync_all()).map_err(SecretsError::io("sync", path))
}

/// The directory that holds the file; `.` for a bare name.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

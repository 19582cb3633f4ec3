//! Directories and files that only their owner may read.
//! A file is either there in full and synced, or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::SetUpError;

const FILE: u32 = 0o600;
const DIRECTORY: u32 = 0o700;

/// Makes a directory, and those above it, if it is not there; nobody else may look into it afterwards.
pub fn directory(path: &Path) -> Result<(), SetUpError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(DIRECTORY).create(path).map_err(SetUpError::io("make", path))?;
    let mode = fs::metadata(path).map_err(SetUpError::io("look at", path))?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(DIRECTORY)).map_err(SetUpError::io("close to others", path))
}

/// Writes a file in a directory of [`directory`]. Killed at any moment, it leaves the old content or the new one.
pub fn write(path: &Path, content: &str) -> Result<(), SetUpError> {
    let draft = path.with_extension("draft");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(SetUpError::io("remove", &draft)(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE)
        .open(&draft)
        .map_err(SetUpError::io("make", &draft))?;
    file.write_all(content.as_bytes()).map_err(SetUpError::io("write", &draft))?;
    file.sync_all().map_err(SetUpError::io("sync", &draft))?;
    fs::rename(&draft, path).map_err(SetUpError::io("write", path))?;
    sync_directory_of(path)
}

/// Writes the file unless it says exactly that already; whether it did.
pub fn write_if_other(path: &Path, content: &str) -> Result<bool, SetUpError> {
    if read(path)?.as_deref() == Some(content) {
        return Ok(false);
    }
    write(path, content).map(|()| true)
}

/// What a file says, if there is one.
pub fn read(path: &Path) -> Result<Option<String>, SetUpError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SetUpError::io("read", path)(error)),
    }
}

/// A new name in a directory survives a power cut only when the directory is synced too.
fn sync_directory_of(path: &Path) -> Result<(), SetUpError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(SetUpError::io("sync", parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn directories_and_files_are_their_owners_alone_even_where_an_older_one_was_open() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("a/b");
        fs::create_dir_all(&place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();

        directory(&place).unwrap();
        write(&place.join("key"), "one").unwrap();
        write(&place.join("key"), "two").unwrap();

        assert_eq!((mode(&place), mode(&place.join("key"))), (0o700, 0o600));
        assert_eq!(read(&place.join("key")).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_that_a_killed_run_left_is_no_obstacle() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("key.draft"), "half").unwrap();
        assert!(write_if_other(&home.path().join("key"), "whole").unwrap());
        assert!(!write_if_other(&home.path().join("key"), "whole").unwrap());
    }
}

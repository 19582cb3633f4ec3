//! What a database with an index in it needs of the disk beyond what its engine does: a directory that lasts, and journals
//! that are known to be written. Does not open the database.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::gate::WriteGate;

/// What is read and written at once.
const CHUNK: usize = 1024 * 1024;
/// How often, and how long, somebody who is closing the database is waited for.
const PATIENCE: (u32, Duration) = (3, Duration::from_millis(100));

/// Makes the directory and what is missing above it, and syncs the entries of their names: files in it would be lost with
/// one of them.
///
/// # Errors
/// It cannot be made or synced.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    make(directory, sync)
}

fn make(directory: &Path, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let above = directory.ancestors().skip(1).take_while(|one| !one.as_os_str().is_empty());
    let missing: Vec<_> = above.take_while(|one| !one.exists()).collect();
    std::fs::create_dir_all(directory)?;
    // The directory's own name also when it was there: whoever made it may have died before the name was on disk.
    [directory].into_iter().chain(missing).try_for_each(|made| sync(parent_of(made)))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes what the journals of this closed database hold into files of their own, synced, and puts those in their place.
///
/// After a failed sync the kernel may take pages for clean that are not on disk. Whoever opens the database reads them, and
/// another sync of the same file succeeds without writing them, so that a power cut would lose what was answered from them,
/// and all that was appended behind the gap. What was written anew is what will be read, and it is on disk.
///
/// # Errors
/// The disk fails, or somebody has the database open; no journal is lost, and calling again later is enough. Blocks.
pub fn rewrite_journals(directory: &Path, gate: &WriteGate) -> Result<(), fjall::Error> {
    let Some(_lock) = lock(directory)? else { return Ok(()) };
    gate.check()?;
    for entry in std::fs::read_dir(directory)? {
        let journal = entry?.path();
        if journal.extension().is_some_and(|extension| extension == "jnl") {
            rewrite(&journal)?;
        }
    }
    Ok(sync(directory)?)
}

/// The engine's own lock; `None` where there is no database yet.
#[expect(clippy::disallowed_methods, reason = "whoever syncs is on a thread that may block")]
fn lock(directory: &Path) -> Result<Option<File>, fjall::Error> {
    let file = match File::options().read(true).write(true).open(directory.join("lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    for _ in 0..PATIENCE.0 {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE.1),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(fjall::Error::Locked)
}

/// Byte by byte through memory: the library's copy may share the very blocks that were not written.
fn rewrite(journal: &Path) -> io::Result<()> {
    let anew = journal.with_extension("jnl.new");
    let (mut from, mut to) = (File::open(journal)?, File::create(&anew)?);
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk)? {
            0 => break,
            read => to.write_all(&chunk[..read])?,
        }
    }
    to.sync_all()?;
    std::fs::rename(anew, journal)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::os::unix::fs::MetadataExt;

    use fjall::{Database, KeyspaceCreateOptions, PersistMode};

    use super::*;

    fn open_for_test(directory: &Path) -> (Database, fjall::Keyspace) {
        let database = Database::builder(directory).worker_threads(1).open().unwrap();
        let keyspace = database.keyspace("some", KeyspaceCreateOptions::default).unwrap();
        (database, keyspace)
    }

    fn file_number(directory: &Path) -> u64 {
        directory.join("0.jnl").metadata().unwrap().ino()
    }

    #[test]
    fn journals_written_anew_are_other_files_with_the_same_content() {
        let dir = tempfile::tempdir().unwrap();
        let (database, keyspace) = open_for_test(dir.path());
        // More than one chunk, less than the engine keeps in memory.
        let large = vec![7_u8; 3 * CHUNK / 2];
        keyspace.insert("key", &large).unwrap();
        database.persist(PersistMode::SyncAll).unwrap();
        drop((database, keyspace));
        let before = file_number(dir.path());
        rewrite_journals(dir.path(), &WriteGate::default()).unwrap();
        assert_ne!(file_number(dir.path()), before);
        let (_database, keyspace) = open_for_test(dir.path());
        assert_eq!(keyspace.get("key").unwrap().as_deref(), Some(&large[..]));
    }

    #[test]
    fn journals_of_an_open_database_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let opened = open_for_test(dir.path());
        let before = file_number(dir.path());
        assert!(matches!(rewrite_journals(dir.path(), &WriteGate::default()), Err(fjall::Error::Locked)));
        assert_eq!(file_number(dir.path()), before);
        drop(opened);
    }

    #[test]
    fn a_new_directory_is_as_durable_as_the_files_in_it_with_all_that_was_made_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let synced = RefCell::new(Vec::new());
        let note = |path: &Path| {
            // A name that is synced before it is there is not synced.
            assert!(path.join("some").exists() || path.ends_with("some"));
            synced.borrow_mut().push(path.to_owned());
            Ok(())
        };
        let (upper, lower) = (dir.path().join("some"), dir.path().join("some/some"));

        make(&lower, note).unwrap();
        assert_eq!(synced.take(), [upper.clone(), dir.path().to_owned()]);

        make(&lower, note).unwrap();
        assert_eq!(synced.take(), [upper], "whoever made it may have died before the name was durable");
        assert_eq!(parent_of(Path::new("data")), Path::new("."));
    }

    #[test]
    fn a_directory_whose_name_cannot_be_synced_is_not_called_made() {
        let dir = tempfile::tempdir().unwrap();
        let fails = |_: &Path| Err(io::ErrorKind::StorageFull.into());
        assert!(make(&dir.path().join("new"), fails).is_err());
    }

    #[test]
    fn where_no_database_is_there_is_nothing_to_write_anew() {
        let dir = tempfile::tempdir().unwrap();
        rewrite_journals(&dir.path().join("missing"), &WriteGate::default()).unwrap();
        make_directory(&dir.path().join("made/and kept")).unwrap();
        rewrite_journals(&dir.path().join("made/and kept"), &WriteGate::default()).unwrap();
    }
}

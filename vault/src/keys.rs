//! The directory with the unseal keys: one key a line, in any number of files, so that they can be handed out to people.
//! Holds no token. Whoever has enough of these keys can open the server and make an administrator's token.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use crate::error::SetUpError;
use crate::private;

/// What a first run writes.
const FILE: &str = "unseal-keys";
/// Held by one set-up at a time. Files with a dot are not read for keys.
const LOCK: &str = ".lock";

const HEADER: &str = "# Unseal keys of the Vault server, one a line. Enough of them open it and make an administrator's token: hand them out to
# several people, or keep them where the server is not. Any file of this directory is read.
";

/// A run that has just ended may still hold it for a moment: a process that was being started then has its files until it runs.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Where unseal keys are kept.
#[derive(Debug, Clone)]
pub struct Keys(PathBuf);

impl Keys {
    /// In this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// Which directory.
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// Makes the directory and keeps other runs out of it while the answer is held.
    pub(crate) async fn lock(&self) -> Result<File, SetUpError> {
        private::directory(&self.0)?;
        let path = self.0.join(LOCK);
        let lock = File::options().create(true).append(true).mode(0o600).open(&path);
        let lock = lock.map_err(SetUpError::io("make", &path))?;
        let mut tries = BUSY_TRIES;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(Errno::WOULDBLOCK) if tries > 0 => sleep(BUSY_PAUSE).await,
                Err(Errno::WOULDBLOCK) => return Err(SetUpError::Busy(self.0.clone())),
                Err(error) => return Err(SetUpError::io("lock", path)(error.into())),
            }
            tries -= 1;
        }
    }

    /// Proves that keys can be written, before there are any: an initialisation happens once.
    pub(crate) fn prove_writable(&self) -> Result<(), SetUpError> {
        let proof = self.0.join(".proof");
        private::write(&proof, "\n")?;
        fs::remove_file(&proof).map_err(SetUpError::io("remove", proof))
    }

    /// Keeps new keys; they are on disk when this returns.
    pub(crate) fn store(&self, keys: &[SecretString]) -> Result<(), SetUpError> {
        let lines = keys.iter().map(|key| format!("{}\n", key.expose_secret()));
        private::write(&self.0.join(FILE), &lines.fold(HEADER.to_owned(), |text, line| text + &line))
    }

    /// All keys of all files, each once.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn read(&self) -> Result<Vec<SecretString>, SetUpError> {
        let mut lines: Vec<String> = Vec::new();
        for path in self.files()? {
            let text = fs::read_to_string(&path).map_err(SetUpError::io("read", &path))?;
            let keys =
                whole_lines(&path, &text).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.extend(keys.map(str::to_owned));
        }
        lines.sort();
        lines.dedup();
        Ok(lines.into_iter().map(SecretString::from).collect())
    }

    fn files(&self) -> Result<Vec<PathBuf>, SetUpError> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(SetUpError::io("read", &self.0)(error)),
        };
        let visible = |path: &PathBuf| path.is_file() && !path.file_name().is_some_and(is_hidden);
        Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(visible).collect())
    }
}

/// A first run that was killed may have left its keys as a draft; the last line of it may be half a key.
fn whole_lines<'a>(path: &Path, text: &'a str) -> std::str::Lines<'a> {
    let is_draft = path.extension().is_some_and(|extension| extension == "draft");
    let end = if is_draft { text.rfind('\n').unwrap_or(0) } else { text.len() };
    text[..end].lines()
}

fn is_hidden(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(keys: &Keys) -> Vec<String> {
        keys.read().unwrap().iter().map(|key| key.expose_secret().to_owned()).collect()
    }

    #[tokio::test]
    async fn keys_that_were_handed_out_into_several_files_are_all_found_once() {
        let home = tempfile::tempdir().unwrap();
        let keys = Keys::new(home.path().join("keys"));
        assert_eq!(texts(&keys), Vec::<String>::new());
        let _lock = keys.lock().await.unwrap();
        keys.prove_writable().unwrap();
        keys.store(&["one".into(), "two".into()]).unwrap();
        fs::write(keys.directory().join("anna"), "# Anna's\n two \nthree").unwrap();
        fs::write(keys.directory().join("unseal-keys.draft"), "four\nfiv").unwrap();

        assert_eq!(texts(&keys), ["four", "one", "three", "two"]);
    }

    #[tokio::test(start_paused = true)]
    async fn two_set_ups_do_not_work_with_the_same_keys() {
        let home = tempfile::tempdir().unwrap();
        let keys = Keys::new(home.path());
        let lock = keys.lock().await.unwrap();
        assert!(matches!(keys.lock().await, Err(SetUpError::Busy(_))));
        drop(lock);
        keys.lock().await.unwrap();
    }
}

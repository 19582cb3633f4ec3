//! Files of JSON lines that are closed at a size or at the end of a day (UTC), and of which so many are kept.
//! Not by a library: those at hand drop what they cannot write without a word, or keep files without a bound on their size.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use tracing::warn;

use crate::record::Series;

/// Names and addresses are nobody's business but the operator's and the collector's.
const MODE: u32 = 0o640;

/// How many processes find a directory of their own beside the one that they all want.
const MOST_PROCESSES: usize = 64;

/// All files of one directory.
pub struct Files {
    wanted: PathBuf,
    owned: Option<Owned>,
    keep: usize,
    max_bytes: u64,
    open: [Option<Open>; Series::ALL.len()],
}

/// A directory that no other process writes into: each cuts off what it could not write whole.
struct Owned {
    directory: PathBuf,
    /// Held until this process ends, however it does.
    _lock: File,
}

/// The file of a series that is written.
struct Open {
    file: File,
    length: u64,
    day: NaiveDate,
}

// === impl Files ===

impl Files {
    /// Opens nothing yet.
    pub const fn new(directory: PathBuf, keep: usize, max_bytes: u64) -> Self {
        Self { wanted: directory, owned: None, keep, max_bytes, open: [None, None] }
    }

    /// Where they are, or would be.
    pub fn directory(&self) -> &Path {
        self.owned.as_ref().map_or(&self.wanted, |owned| &owned.directory)
    }

    /// Appends whole lines, all of them or none.
    ///
    /// # Errors
    /// They are not written; the next call tries everything anew.
    pub fn append(&mut self, series: Series, lines: &[u8], now: DateTime<Utc>) -> io::Result<()> {
        let index = series as usize;
        if self.owned.is_none() {
            self.owned = Some(Owned::first_free(&self.wanted)?);
        }
        let path = self.directory().join(format!("{}.jsonl", series.name()));
        let open = self.open[index].take().filter(|open| open.is_at(&path));
        let mut open = open.map_or_else(|| Open::at(&path, now), Ok)?;
        if open.is_over(lines.len() as u64, self.max_bytes, now) {
            self.set_aside(series, &path)?;
            open = Open::at(&path, now)?;
        }
        open.append(lines)?;
        self.open[index] = Some(open);
        Ok(())
    }

    /// Closed files are numbered and not named after the time: a clock that is set back would have the newest removed first.
    fn set_aside(&self, series: Series, path: &Path) -> io::Result<()> {
        let closed = closed_files(self.directory(), series)?;
        let number = closed.last_key_value().map_or(1, |(last, _)| last + 1);
        fs::rename(path, self.directory().join(format!("{}.{number:06}.jsonl", series.name())))?;
        // With the one that was closed now and the one that is written next.
        let too_many = (closed.len() + 2).saturating_sub(self.keep);
        if let Err(error) = closed.values().take(too_many).try_for_each(fs::remove_file) {
            warn!(%error, "old audit files cannot be removed from `{}`", self.directory().display());
        }
        Ok(())
    }
}

/// By number, the oldest first.
fn closed_files(directory: &Path, series: Series) -> io::Result<BTreeMap<u64, PathBuf>> {
    let number = |name: &str| -> Option<u64> {
        name.strip_prefix(series.name())?.strip_prefix('.')?.strip_suffix(".jsonl")?.parse().ok()
    };
    let mut closed = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(number) = entry.file_name().to_str().and_then(number) {
            closed.insert(number, entry.path());
        }
    }
    Ok(closed)
}

// === impl Owned ===

impl Owned {
    /// The directory itself, or `-2`, `-3`, … behind its name where another process has it: several may share a data directory.
    fn first_free(wanted: &Path) -> io::Result<Self> {
        for number in 1..=MOST_PROCESSES {
            let directory = if number == 1 { wanted.to_owned() } else { beside(wanted, number) };
            fs::create_dir_all(&directory)?;
            let lock = OpenOptions::new().write(true).create(true).mode(MODE).open(directory.join("lock"))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { directory, _lock: lock }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other(format!("{MOST_PROCESSES} processes record beside `{}`", wanted.display())))
    }
}

fn beside(wanted: &Path, number: usize) -> PathBuf {
    let mut name = wanted.as_os_str().to_owned();
    name.push(format!("-{number}"));
    name.into()
}

// === impl Open ===

impl Open {
    fn at(path: &Path, now: DateTime<Utc>) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
        let found = file.metadata()?;
        let day = if found.len() == 0 { now } else { found.modified()?.into() };
        let mut open = Self { file, length: found.len(), day: day.date_naive() };
        open.end_torn_line()?;
        Ok(open)
    }

    /// A machine that lost its power may have left half a line, which the next one must not be glued to.
    fn end_torn_line(&mut self) -> io::Result<()> {
        if self.length == 0 {
            return Ok(());
        }
        let mut last = [0];
        self.file.seek(SeekFrom::End(-1))?;
        self.file.read_exact(&mut last)?;
        if last == *b"\n" { Ok(()) } else { self.append(b"\n") }
    }

    /// Whoever removes or moves the file means that it is written anew.
    fn is_at(&self, path: &Path) -> bool {
        let identity = |found: fs::Metadata| (found.dev(), found.ino());
        fs::metadata(path).ok().map(identity) == self.file.metadata().ok().map(identity)
    }

    fn is_over(&self, more: u64, max_bytes: u64, now: DateTime<Utc>) -> bool {
        self.length > 0 && more > 0 && (self.length + more > max_bytes || self.day != now.date_naive())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // A full disk takes part of a line; the reason that counts is the first one.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

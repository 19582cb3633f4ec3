//! Sudden death: the moments between two steps that are worth dying at, and what the disk holds at such a moment.
//! A life that has died does nothing any more that anybody can see; the next begins from the image of its disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::random::Random;

/// A moment between two steps of which each is durable or visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// A life has begun; what an earlier one left pending is not out yet.
    Born,
    /// Sales are in the room's mailbox.
    Delivered,
    /// Anywhere between two polls of the actors, perhaps in the middle of a write.
    Anywhere,
    /// A window has told its turnover and decided nothing.
    ToldNotDecided,
    FinalDecidedNotPublished,
    FinalPublishedNotAnswered,
    LateDecidedNotPublished,
    LatePublishedNotAnswered,
    RejectedDecidedNotPublished,
    RejectedPublishedNotAnswered,
    /// The broker has an event for the second time, as a life before it was not told that it had it.
    PublishedAgainNotAnswered,
    SettledNotAcknowledged,
    HalfAcknowledged,
    AcknowledgedNotForgotten,
    /// The sales are in the journal; the flow holds them still.
    JournalledNotAcknowledged,
    JournalledAndAcknowledged,
    /// Half a second later, when what may be forgotten is forgotten or about to be.
    AtRest,
}

pub const POINTS: [Point; 17] = [
    Point::Born,
    Point::Delivered,
    Point::Anywhere,
    Point::ToldNotDecided,
    Point::FinalDecidedNotPublished,
    Point::FinalPublishedNotAnswered,
    Point::LateDecidedNotPublished,
    Point::LatePublishedNotAnswered,
    Point::RejectedDecidedNotPublished,
    Point::RejectedPublishedNotAnswered,
    Point::PublishedAgainNotAnswered,
    Point::SettledNotAcknowledged,
    Point::HalfAcknowledged,
    Point::AcknowledgedNotForgotten,
    Point::JournalledNotAcknowledged,
    Point::JournalledAndAcknowledged,
    Point::AtRest,
];

/// Decides where lives end.
#[derive(Debug, Default)]
pub struct Reaper {
    random: Random,
    /// One passage in so many ends the life.
    focus: BTreeMap<Point, u64>,
    elsewhere: Option<u64>,
    left: u32,
    image: Option<TempDir>,
    pub deaths: BTreeMap<Point, u64>,
}

/// One incarnation of the process.
#[derive(Clone)]
pub struct Life {
    pub reaper: Arc<Mutex<Reaper>>,
    disk: Arc<TempDir>,
    dead: Arc<AtomicBool>,
}

// === impl Reaper ===

impl Reaper {
    /// Comes at the points in focus, once in `every` passages, and rarely elsewhere; so many times in all.
    pub fn new(seed: u64, focus: impl IntoIterator<Item = Point>, every: u64, times: u32) -> Self {
        let focus = focus.into_iter().map(|point| (point, every)).collect();
        Self { random: Random::seeded(seed), focus, elsewhere: Some(400), left: times, ..Self::default() }
    }

    /// Nobody dies any more.
    pub fn retire(&mut self) {
        self.left = 0;
    }

    fn comes(&mut self, point: Point) -> bool {
        let chance = self.focus.get(&point).copied().or(self.elsewhere);
        let comes = self.left > 0 && chance.is_some_and(|every| self.random.below(every) == 0);
        if comes {
            self.left -= 1;
            *self.deaths.entry(point).or_default() += 1;
        }
        comes
    }

    pub fn take_image(&mut self) -> Option<TempDir> {
        self.image.take()
    }
}

// === impl Life ===

impl Life {
    pub fn begin(disk: TempDir, reaper: Arc<Mutex<Reaper>>) -> Self {
        Self { reaper, disk: Arc::new(disk), dead: Arc::default() }
    }

    pub fn disk(&self) -> &Path {
        self.disk.path()
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Whether whoever is about to do something does it: not in a life that is over, and not if it ends here.
    pub fn survives(&self, point: Point) -> bool {
        if self.is_dead() {
            return false;
        }
        let mut reaper = self.reaper.lock().unwrap();
        if reaper.comes(point) {
            reaper.image = Some(image_of(self.disk()));
            self.dead.store(true, Ordering::Relaxed);
        }
        !self.is_dead()
    }
}

/// A directory in memory where there is one: syncs cost nothing there, and no test here loses power.
pub fn fresh_disk() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// What a killed process leaves: every file as the kernel has it now. A file that is being appended to ends somewhere.
fn image_of(disk: &Path) -> TempDir {
    let image = fresh_disk();
    copy(disk.to_owned(), image.path());
    image
}

fn copy(from: PathBuf, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

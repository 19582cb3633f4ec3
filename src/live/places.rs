//! The places of open pages: so many in all, and so many of them for one reader.
//! Does not know who may watch; whoever asks for a place has been let in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::metrics::{PAGES, REFUSED};
use super::settings::LiveSettings;

/// Whoever watches, so that one who opens many pages does not take the places of everybody else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reader {
    /// How it was proven who this is: the same name in a token is not the same reader.
    pub by: &'static str,
    /// As whom.
    pub name: Arc<str>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// For anybody.
    #[error("too many live pages are open: try again later")]
    Full,
    /// For this reader; others have some.
    #[error("too many live pages of this user are open: close one, or try again later")]
    ReaderFull,
}

/// Clones share the places.
#[derive(Debug, Clone)]
pub struct Places {
    in_all: usize,
    per_reader: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Those who have one.
    by_reader: HashMap<Reader, usize>,
}

/// One taken place; dropping it frees it.
#[must_use]
#[derive(Debug)]
pub struct Place {
    places: Places,
    reader: Reader,
}

impl Places {
    /// All are free.
    pub fn new(settings: &LiveSettings) -> Self {
        Self { in_all: settings.max_pages, per_reader: settings.max_pages_per_user, taken: Arc::default() }
    }

    /// Takes one.
    ///
    /// # Errors
    /// When all are taken, or all that this reader may have.
    pub fn take(&self, reader: Reader) -> Result<Place, NoPlace> {
        let taken = self.taken().take(&reader, self.in_all, self.per_reader);
        taken.inspect_err(|why| REFUSED.with_label_values(&[why.label()]).inc())?;
        PAGES.inc();
        Ok(Place { places: self.clone(), reader })
    }

    /// How many are taken.
    pub fn count(&self) -> usize {
        self.taken().all
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn take(&mut self, reader: &Reader, in_all: usize, per_reader: usize) -> Result<(), NoPlace> {
        let own = self.by_reader.get(reader).copied().unwrap_or(0);
        // Whoever has all of his is told so, also while nobody else gets one.
        if own >= per_reader {
            return Err(NoPlace::ReaderFull);
        }
        if self.all >= in_all {
            return Err(NoPlace::Full);
        }
        self.all += 1;
        self.by_reader.insert(reader.clone(), own + 1);
        Ok(())
    }

    fn free(&mut self, reader: &Reader) {
        self.all -= 1;
        let Some(own) = self.by_reader.get_mut(reader) else { return };
        *own -= 1;
        if *own == 0 {
            self.by_reader.remove(reader);
        }
    }
}

impl NoPlace {
    /// Every label of the metric.
    pub const LABELS: [&str; 2] = ["full", "user"];

    const fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReaderFull => "user",
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().free(&self.reader);
        PAGES.dec();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::live) fn reader_for_test(name: &str) -> Reader {
        Reader { by: "basic", name: name.into() }
    }

    fn places_for_test(max_pages: usize, max_pages_per_user: usize) -> Places {
        Places::new(&LiveSettings { max_pages, max_pages_per_user, ..LiveSettings::default() })
    }

    #[test]
    fn one_who_has_all_that_one_may_have_leaves_the_others_their_places() {
        let places = places_for_test(4, 2);
        let (greedy, other) = (reader_for_test("greedy"), reader_for_test("other"));
        let mut taken = vec![places.take(greedy.clone()).unwrap(), places.take(greedy.clone()).unwrap()];
        assert_eq!(places.take(greedy.clone()).unwrap_err(), NoPlace::ReaderFull);
        taken.push(places.take(other.clone()).unwrap());
        taken.push(places.take(other).unwrap());
        assert_eq!(places.take(reader_for_test("third")).unwrap_err(), NoPlace::Full);
        drop(taken.remove(0));
        let again = places.take(greedy).unwrap();
        assert_eq!(places.count(), 4);
        drop((taken, again));
        assert_eq!((places.count(), places.taken().by_reader.len()), (0, 0), "who has none is forgotten");
    }

    #[test]
    fn the_same_name_in_a_token_is_another_reader() {
        let places = places_for_test(4, 1);
        let _password = places.take(reader_for_test("anna")).unwrap();
        assert!(places.take(Reader { by: "bearer", name: "anna".into() }).is_ok());
    }
}

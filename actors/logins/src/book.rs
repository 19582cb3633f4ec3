//! Everybody who may log in, each with the passwords that hold: the one of now and, for an overlap, those before it.
//! Is never changed: whoever reads secrets makes the book that succeeds it.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::credentials::Credentials;

/// Predecessors that hold at once, of one user; someone who changes a password more often than this within one overlap gives
/// up the oldest.
const MAX_FORMER: usize = 4;

/// Drawn by this process: without it nobody can try which name has the hash that a log shows.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// All who may log in, and what each of them is.
pub struct CredentialBook<T>(Vec<Holder<T>>);

/// One user.
#[derive(Clone)]
pub struct Holder<T> {
    /// Where its secret stands: the same place is the same user, also under another name.
    pub place: String,
    /// What it is called.
    pub name: Arc<str>,
    /// What it is.
    pub what: T,
    current: Credentials,
    former: Vec<Former>,
}

/// Credentials that hold until then.
#[derive(Clone)]
struct Former {
    credentials: Credentials,
    until: Instant,
}

// === impl Holder ===

impl<T> Holder<T> {
    /// A user without a past. `None` when name or password are empty or too long.
    pub fn new(place: &str, name: &str, password: &str, what: T) -> Option<Self> {
        let current = Credentials::new(name, password).filter(|credentials| !credentials.are_blank())?;
        Some(Self { place: place.to_owned(), name: name.into(), what, current, former: Vec::new() })
    }

    fn admits(&self, given: &Credentials, now: Instant) -> Choice {
        let holds = |former: &Former| former.credentials.same(given) & Choice::from(u8::from(now < former.until));
        self.former.iter().fold(self.current.same(given), |admitted, former| admitted | holds(former))
    }

    /// What held yesterday holds on for the overlap, unless it is what holds today.
    fn succeed(&mut self, before: &Self, now: Instant, overlap: Duration) {
        let replaced = Former { credentials: before.current.clone(), until: now + overlap };
        let still = before.former.iter().filter(|former| now < former.until);
        let all = still.cloned().chain((!overlap.is_zero()).then_some(replaced));
        self.former = all.filter(|former| !bool::from(former.credentials.same(&self.current))).collect();
        let too_many = self.former.len().saturating_sub(MAX_FORMER);
        self.former.drain(..too_many);
    }
}

// === impl CredentialBook ===

impl<T> CredentialBook<T> {
    /// A book without a past: only what holds now lets in.
    pub fn new(holders: impl IntoIterator<Item = Holder<T>>) -> Self {
        Self(holders.into_iter().collect())
    }

    /// The user whose credentials these are. Compares with everything, found or not, so that time tells nothing.
    pub fn find(&self, given: &Credentials, now: Instant) -> Option<&Holder<T>> {
        let mut found = u64::MAX;
        for (at, holder) in (0_u64..).zip(&self.0) {
            found.conditional_assign(&at, holder.admits(given, now));
        }
        usize::try_from(found).ok().and_then(|at| self.0.get(at))
    }

    /// Whether somebody has this name now.
    pub fn knows(&self, name: &[u8]) -> bool {
        let is = |holder: &Holder<T>| holder.name.as_bytes().ct_eq(name);
        self.0.iter().fold(Choice::from(0), |known, holder| known | is(holder)).into()
    }

    /// A name as a log may have it: people type their password where the name goes, also that of another door, so what is
    /// nobody's name is not written anywhere. Its keyed hash says whether it is always the same one, at every door alike.
    pub fn shown<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.knows(name.as_bytes()) {
            return name.into();
        }
        let hash = KEY.hash_one(name) >> 32;
        format!("unknown#{hash:08x}").into()
    }

    /// Everybody.
    pub fn holders(&self) -> impl Iterator<Item = &Holder<T>> {
        self.0.iter()
    }
}

impl<T: PartialEq> CredentialBook<T> {
    /// The book that follows this one. A predecessor holds for `overlap`, but not of a user that is gone or that is something
    /// else now, and not under a name that has become another user's.
    #[must_use]
    pub fn succeeded_by(&self, fresh: impl IntoIterator<Item = Holder<T>>, now: Instant, overlap: Duration) -> Self {
        let mut holders: Vec<_> = fresh.into_iter().collect();
        for holder in &mut holders {
            let before = self.0.iter().find(|before| before.place == holder.place && before.what == holder.what);
            if let Some(before) = before {
                holder.succeed(before, now, overlap);
            }
        }
        let names: Vec<_> = holders.iter().map(|holder| (holder.place.clone(), Arc::clone(&holder.name))).collect();
        for holder in &mut holders {
            let taken = |former: &Former| {
                let name = former.credentials.name_bytes();
                names.iter().any(|(place, theirs)| *place != holder.place && theirs.as_bytes() == name)
            };
            holder.former.retain(|former| !taken(former));
        }
        Self(holders)
    }
}

impl<T> Default for CredentialBook<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLAP: Duration = Duration::from_secs(60);

    fn holder(place: &str, name: &str, password: &str) -> Holder<char> {
        Holder::new(place, name, password, 'p').unwrap()
    }

    fn admits(book: &CredentialBook<char>, name: &str, password: &str, now: Instant) -> bool {
        book.find(&Credentials::new(name, password).unwrap(), now).is_some()
    }

    fn after(seconds: u64, start: Instant) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_changed_passwords_predecessor_holds_beside_it_until_its_overlap_ends() {
        let start = Instant::now();
        let book = CredentialBook::new([holder("t", "till", "old")]);
        let book = book.succeeded_by([holder("t", "till", "new")], start, OVERLAP);
        for (seconds, old) in [(0, true), (59, true), (60, false), (600, false)] {
            assert!(admits(&book, "till", "new", after(seconds, start)));
            assert_eq!(admits(&book, "till", "old", after(seconds, start)), old, "after {seconds} s");
        }
    }

    #[test]
    fn reading_the_same_secrets_again_does_not_prolong_an_overlap() {
        let start = Instant::now();
        let book = CredentialBook::new([holder("t", "till", "old")]);
        let book = book.succeeded_by([holder("t", "till", "new")], start, OVERLAP);
        let book = book.succeeded_by([holder("t", "till", "new")], after(50, start), OVERLAP);
        assert!(admits(&book, "till", "old", after(59, start)));
        assert!(!admits(&book, "till", "old", after(60, start)));
    }

    #[test]
    fn each_of_several_predecessors_holds_for_its_own_overlap_and_only_so_many_do() {
        let start = Instant::now();
        let mut book = CredentialBook::new([holder("t", "till", "0")]);
        for (at, password) in [(0, "1"), (10, "2")] {
            book = book.succeeded_by([holder("t", "till", password)], after(at, start), OVERLAP);
        }
        assert!(["0", "1", "2"].iter().all(|password| admits(&book, "till", password, after(59, start))));
        assert!(!admits(&book, "till", "0", after(60, start)) && admits(&book, "till", "1", after(60, start)));
        for password in ["3", "4", "5", "6"] {
            book = book.succeeded_by([holder("t", "till", password)], after(11, start), OVERLAP);
        }
        assert!(!admits(&book, "till", "1", after(11, start)) && admits(&book, "till", "2", after(11, start)));
    }

    #[test]
    fn a_password_that_comes_back_holds_for_good() {
        let start = Instant::now();
        let mut book = CredentialBook::new([holder("t", "till", "old")]);
        for password in ["new", "old"] {
            book = book.succeeded_by([holder("t", "till", password)], start, OVERLAP);
        }
        assert!(admits(&book, "till", "new", start));
        assert!(admits(&book, "till", "old", after(61, start)) && !admits(&book, "till", "new", after(61, start)));
    }

    #[test]
    fn who_is_gone_or_something_else_now_is_refused_at_once() {
        let start = Instant::now();
        let book = CredentialBook::new([holder("t", "till", "old"), holder("a", "admin", "old")]);
        let promoted = Holder::new("t", "till", "new", 'x').unwrap();
        let book = book.succeeded_by([promoted], start, OVERLAP);
        assert!(admits(&book, "till", "new", start));
        assert!(!admits(&book, "till", "old", start) && !admits(&book, "admin", "old", start));
    }

    #[test]
    fn a_new_name_is_the_same_user_unless_the_old_one_has_become_somebody_elses() {
        let start = Instant::now();
        let first = || CredentialBook::new([holder("t", "till", "old")]);
        let renamed = first().succeeded_by([holder("t", "till-2", "new")], start, OVERLAP);
        assert!(admits(&renamed, "till", "old", start) && admits(&renamed, "till-2", "new", start));
        let taken = [holder("t", "till-2", "new"), holder("s", "till", "other")];
        let taken = first().succeeded_by(taken, start, OVERLAP);
        assert!(!admits(&taken, "till", "old", start) && admits(&taken, "till", "other", start));
    }

    #[test]
    fn without_an_overlap_a_predecessor_is_refused_at_once() {
        let start = Instant::now();
        let book = CredentialBook::new([holder("t", "till", "old")]);
        let book = book.succeeded_by([holder("t", "till", "new")], start, Duration::ZERO);
        assert!(!admits(&book, "till", "old", start));
    }

    #[test]
    fn who_has_no_name_or_no_password_cannot_be_entered() {
        assert!(Holder::new("t", "till", "", 'p').is_none() && Holder::new("t", "", "secret", 'p').is_none());
    }

    #[test]
    fn a_name_is_shown_only_of_who_exists_and_of_others_a_hash() {
        let book = CredentialBook::new([holder("t", "till", "secret"), holder("a", "admin", "other")]);
        assert_eq!((&*book.shown("till"), &*book.shown("admin")), ("till", "admin"));
        for name in ["secret", "a password of another door", "till ", "Till", "", "\u{202e}"] {
            let shown = book.shown(name);
            let digits = shown.strip_prefix("unknown#").unwrap_or_else(|| panic!("`{name}` is shown as `{shown}`"));
            assert!(digits.len() == 8 && u32::from_str_radix(digits, 16).is_ok(), "{shown}");
        }
    }

    #[test]
    fn a_name_that_nobody_has_is_shown_alike_at_every_door_and_after_a_change_and_unlike_another() {
        let book = CredentialBook::new([holder("t", "till", "secret")]);
        let other_door = CredentialBook::<u8>::default();
        let changed = book.succeeded_by([holder("t", "till", "new")], Instant::now(), OVERLAP);
        let shown = book.shown("stranger");
        assert_eq!([other_door.shown("stranger"), changed.shown("stranger")], [shown.clone(), shown.clone()]);
        assert_ne!(shown, book.shown("another"));
        assert_ne!(shown, format!("unknown#{:08x}", RandomState::new().hash_one("stranger") >> 32), "another process");
    }

    #[test]
    fn names_are_known_as_a_whole() {
        let book = CredentialBook::new([holder("t", "till", "secret"), holder("a", "admin", "secret")]);
        assert!(book.knows(b"till") && book.knows(b"admin"));
        assert!(!book.knows(b"til") && !book.knows(b"till:") && !book.knows(b""));
    }
}

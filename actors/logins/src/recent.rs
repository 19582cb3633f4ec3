//! Which different things went wrong lately, by whom: a table of fixed size that forgets who failed the longest ago.
//! Keeps hashes under a key of this process and nothing else, and is asked only when something has gone wrong.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who share a set push each other out of it; with keyed hashes nobody can choose whom.
const WAYS: usize = 16;

/// `sets` times 16 who failed.
pub struct Recent(Box<[Mutex<Vec<Trace>>]>);

/// One of them.
struct Trace {
    who: u64,
    touched: Instant,
    /// Different ones, and when each came last.
    failures: Vec<(u64, Instant)>,
}

// === impl Recent ===

impl Recent {
    pub fn new(sets: usize) -> Self {
        Self((0..sets).map(|_| Mutex::default()).collect())
    }

    /// Notes that `who` has failed with `what`. True when that makes `limit` different ones `within` the time: then it is
    /// forgotten, and who failed starts afresh.
    pub fn note(&self, who: u64, what: u64, limit: usize, within: Duration, now: Instant) -> bool {
        let mut set = self.set(who);
        let at = place(&mut set, who, now);
        let trace = &mut set[at];
        trace.touched = now;
        trace.failures.retain(|(_, at)| now.saturating_duration_since(*at) < within);
        match trace.failures.iter_mut().find(|(known, _)| *known == what) {
            Some((_, at)) => *at = now,
            None => trace.failures.push((what, now)),
        }
        let too_many = trace.failures.len() >= limit;
        if too_many {
            set.swap_remove(at);
        }
        too_many
    }

    fn set(&self, who: u64) -> MutexGuard<'_, Vec<Trace>> {
        // The remainder is below the number of sets, whatever the width of a pointer.
        #[allow(clippy::cast_possible_truncation)]
        let at = (who % self.0.len() as u64) as usize;
        self.0[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.iter().map(|set| set.lock().unwrap().len()).sum()
    }
}

/// Where the trace of `who` is, or begins.
fn place(set: &mut Vec<Trace>, who: u64, now: Instant) -> usize {
    if let Some(at) = set.iter().position(|trace| trace.who == who) {
        return at;
    }
    let fresh = Trace { who, touched: now, failures: Vec::new() };
    let oldest = set.iter().enumerate().min_by_key(|(_, trace)| trace.touched).map(|(at, _)| at);
    match oldest.filter(|_| set.len() >= WAYS) {
        Some(at) => {
            set[at] = fresh;
            at
        }
        None => {
            set.push(fresh);
            set.len() - 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(60);

    #[test]
    fn different_failures_count_and_the_same_one_again_does_not() {
        let (recent, now) = (Recent::new(1), Instant::now());
        assert!((0..100).all(|_| !recent.note(1, 7, 3, WITHIN, now)));
        assert!(!recent.note(1, 8, 3, WITHIN, now) && !recent.note(2, 9, 3, WITHIN, now));
        assert!(recent.note(1, 9, 3, WITHIN, now));
        assert!(!recent.note(1, 9, 3, WITHIN, now), "who was over the limit starts afresh");
    }

    #[test]
    fn failures_count_for_their_time_only() {
        let (recent, now) = (Recent::new(1), Instant::now());
        for (second, what) in [(0, 1), (30, 2), (60, 3), (90, 4)] {
            assert!(!recent.note(1, what, 3, WITHIN, now + Duration::from_secs(second)), "at {second}");
        }
        assert!(recent.note(1, 5, 3, WITHIN, now + Duration::from_secs(91)));
    }

    #[test]
    fn a_full_table_forgets_who_failed_the_longest_ago_and_grows_no_more() {
        let (recent, start) = (Recent::new(1), Instant::now());
        let ways = WAYS as u64;
        for who in 0..ways {
            recent.note(who, 1, 2, WITHIN, start + Duration::from_millis(who));
        }
        // The first fails once more, so the second is the one of longest ago.
        recent.note(0, 1, 2, WITHIN, start + Duration::from_millis(ways));
        recent.note(ways, 1, 2, WITHIN, start + Duration::from_millis(ways + 1));
        assert_eq!(recent.len(), WAYS);
        assert!(recent.note(0, 2, 2, WITHIN, start + Duration::from_secs(1)), "still remembered");
        assert!(!recent.note(1, 2, 2, WITHIN, start + Duration::from_secs(1)), "forgotten");
    }
}

//! Budgets, with times that are said and not waited for.

use tracing::callsite::DefaultCallsite;
use tracing::field::FieldSet;
use tracing::metadata::Kind;
use tracing::{Callsite, debug, warn};
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::*;

const BURST: u64 = 3;

/// A place in the code, for the life of the test run.
macro_rules! place {
    ($level:expr, $target:expr) => {{
        static METADATA: Metadata<'static> = Metadata::new(
            "place",
            $target,
            $level,
            Some("file.rs"),
            Some(7),
            None,
            FieldSet::new(&[], tracing::callsite::Identifier(&CALLSITE)),
            Kind::EVENT,
        );
        static CALLSITE: DefaultCallsite = DefaultCallsite::new(&METADATA);
        CALLSITE.metadata()
    }};
}

fn limiter() -> Limiter {
    let settings = LogSettings { burst: BURST, error_burst: 2 * BURST, ..LogSettings::default() };
    Limiter::new(&settings)
}

/// How many of a hundred lines at this moment are written.
fn written(limiter: &Limiter, place: &'static Metadata<'static>, now: Instant) -> usize {
    (0..100).filter(|_| limiter.admit(place, now)).count()
}

fn counts(suppressed: &[Suppressed]) -> Vec<(Level, u64)> {
    suppressed.iter().map(|suppressed| (suppressed.level, suppressed.lines)).collect()
}

#[test]
fn a_storm_of_one_cause_is_a_few_lines_and_a_number_and_leaves_other_causes_alone() {
    let (limiter, start) = (limiter(), Instant::now());
    let (storm, other) = (place!(Level::WARN, "storm"), place!(Level::WARN, "other"));
    assert_eq!(written(&limiter, storm, start), 3);
    assert!(limiter.admit(other, start));

    assert_eq!(limiter.over(start + limiter.within / 2), [], "its time is not over");
    let over = limiter.over(start + limiter.within);

    let expected = Suppressed { level: Level::WARN, target: "storm", file: Some("file.rs"), line: Some(7), lines: 97 };
    assert_eq!(over, [expected]);
    assert_eq!((limiter.over(start + limiter.within), limiter.rest()), (vec![], vec![]), "it is told once");
}

#[test]
fn a_storm_that_goes_on_has_a_new_budget_each_time_and_no_line_of_it_is_forgotten() {
    let (limiter, start) = (limiter(), Instant::now());
    let storm = place!(Level::INFO, "storm");
    let times = [start, start + limiter.within, start + 2 * limiter.within];
    assert_eq!(times.map(|now| written(&limiter, storm, now)), [3; 3]);
    assert_eq!(counts(&limiter.rest()), [(Level::INFO, 3 * 97)]);
}

#[test]
fn errors_have_a_budget_of_their_own() {
    let (limiter, start) = (limiter(), Instant::now());
    assert_eq!(written(&limiter, place!(Level::ERROR, "storm"), start), 6);
    assert_eq!(counts(&limiter.rest()), [(Level::ERROR, 94)]);
}

#[test]
fn panics_records_and_what_is_turned_on_for_a_while_are_not_limited() {
    let (limiter, start) = (limiter(), Instant::now());
    for place in [
        place!(Level::ERROR, PANIC),
        place!(Level::INFO, AUDIT),
        place!(Level::WARN, LOG),
        place!(Level::DEBUG, "a"),
        place!(Level::TRACE, "a"),
    ] {
        assert_eq!(written(&limiter, place, start), 100, "{place:?}");
    }
    assert_eq!(limiter.rest(), []);
}

#[test]
fn a_budget_of_0_is_none() {
    let limiter = Limiter::new(&LogSettings { burst: 0, ..LogSettings::default() });
    assert_eq!(written(&limiter, place!(Level::WARN, "storm"), Instant::now()), 100);
}

/// Counts the events that reach it.
#[derive(Clone, Default)]
struct Reached(Arc<Mutex<Vec<Level>>>);

impl<S: Subscriber> Layer<S> for Reached {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.lock().unwrap().push(*event.metadata().level());
    }
}

#[test]
fn a_line_that_nobody_wants_costs_no_budget_and_is_not_counted() {
    let (limiter, reached) = (Arc::new(limiter()), Reached::default());
    let filter: super::super::LogFilter = "warn".parse().unwrap();
    let layer = reached.clone().with_filter(behind(filter.targets(), super::super::Quiet, &limiter));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for _ in 0..10 {
            debug!("not wanted");
            warn!("wanted");
        }
        // The client of Vault.
        warn!(target: "vaultrs::client", "not allowed");
    });
    assert_eq!(*reached.0.lock().unwrap(), [Level::WARN; BURST as usize]);
    assert_eq!(counts(&limiter.rest()), [(Level::WARN, 10 - BURST)]);
}

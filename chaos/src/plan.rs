//! The seeded plan: which kind of fault comes next, on which actor, after which pause. The same seed, the same plan.
//! Does not know the tree: it draws numbers, which become an actor once the tree is looked at.

use std::time::Duration;

use fastrand::Rng;

use crate::kinds::FaultKind;

/// Longest pause before a fault.
const LONGEST_PAUSE: u64 = 400;
/// How long a blocked thread sleeps.
const BLOCK_SECONDS: f64 = 3.0;
/// How long a fault after a handler waits for a message to be handled.
const MESSAGE_SECONDS: f64 = 2.0;
/// How long the environment is disturbed.
const DISTURBANCE_SECONDS: f64 = 1.0;
/// How far the clock jumps, in one direction or the other.
const JUMP_SECONDS: f64 = 20.0;

/// One fault to come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draw {
    /// From 1.
    pub(crate) number: usize,
    /// Since the fault before has recovered.
    pub(crate) pause: Duration,
    /// What.
    pub(crate) kind: FaultKind,
    /// Drawn for the choice of the actor's kind, then of the actor.
    pub(crate) pick: (u64, u64),
    /// As the interface understands it for this kind.
    pub(crate) seconds: Option<f64>,
    /// How long a moved clock stays moved.
    pub(crate) hold_seconds: Option<f64>,
}

/// The plan of this seed. Every draw costs the same numbers, so that a longer plan begins like a shorter one.
pub(crate) fn draws(seed: u64, kinds: &[FaultKind], count: usize) -> Vec<Draw> {
    let mut rng = Rng::with_seed(seed);
    let total: u32 = kinds.iter().map(|kind| kind.weight()).sum();
    (1..=count).map(|number| draw(&mut rng, kinds, total, number)).collect()
}

/// Durations of a kind when a plan file says nothing.
pub(crate) fn usual_seconds(kind: FaultKind) -> (Option<f64>, Option<f64>) {
    match kind {
        FaultKind::Block => (Some(BLOCK_SECONDS), None),
        FaultKind::PanicAfter => (Some(MESSAGE_SECONDS), None),
        FaultKind::Clock => (Some(JUMP_SECONDS), Some(DISTURBANCE_SECONDS)),
        other if other.has_target() || other.tampers() => (None, None),
        _ => (Some(DISTURBANCE_SECONDS), None),
    }
}

fn draw(rng: &mut Rng, kinds: &[FaultKind], total: u32, number: usize) -> Draw {
    let pause = Duration::from_millis(rng.u64(0..=LONGEST_PAUSE));
    let kind = weighted(kinds, rng.u32(..total.max(1)));
    let pick = (rng.u64(..), rng.u64(..));
    let is_back = rng.bool();
    let (seconds, hold_seconds) = usual_seconds(kind);
    let is_backwards = is_back && kind == FaultKind::Clock;
    let seconds = seconds.map(|seconds| if is_backwards { -seconds } else { seconds });
    Draw { number, pause, kind, pick, seconds, hold_seconds }
}

fn weighted(kinds: &[FaultKind], mut place: u32) -> FaultKind {
    for kind in kinds {
        if place < kind.weight() {
            return *kind;
        }
        place -= kind.weight();
    }
    FaultKind::Panic
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_same_seed_is_the_same_plan_and_a_longer_one_begins_like_a_shorter_one(seed: u64, count in 1_usize..80) {
            let kinds = FaultKind::usual();
            let plan = draws(seed, &kinds, count);
            prop_assert_eq!(&plan, &draws(seed, &kinds, count));
            prop_assert_eq!(&plan[..], &draws(seed, &kinds, count + 7)[..count]);
        }

        #[test]
        fn only_the_kinds_asked_for_are_drawn_and_pauses_are_short(seed: u64) {
            let kinds = [FaultKind::Hang, FaultKind::Clock];
            for draw in draws(seed, &kinds, 50) {
                prop_assert!(kinds.contains(&draw.kind));
                prop_assert!(draw.pause <= Duration::from_millis(LONGEST_PAUSE));
            }
        }
    }

    #[test]
    fn another_seed_is_another_plan() {
        let kinds = FaultKind::usual();
        assert_ne!(draws(1, &kinds, 20), draws(2, &kinds, 20));
    }

    #[test]
    fn a_long_plan_has_every_kind_about_as_often_as_its_weight_says() {
        let plan = draws(5, &FaultKind::usual(), 10_000);
        for kind in FaultKind::usual() {
            let share = plan.iter().filter(|draw| draw.kind == kind).count() / 100;
            let weight = kind.weight() as usize;
            assert!(share + 2 >= weight && share <= weight + 2, "{kind}: {share} % for {weight}");
        }
    }

    #[test]
    fn the_clock_jumps_in_both_directions_and_a_thread_is_blocked_for_three_seconds() {
        let plan = draws(3, &[FaultKind::Clock, FaultKind::Block], 100);
        let seconds = |kind| plan.iter().filter(move |draw| draw.kind == kind).filter_map(|draw| draw.seconds);
        assert!(
            seconds(FaultKind::Clock).any(|jump| jump == 20.0) && seconds(FaultKind::Clock).any(|jump| jump == -20.0)
        );
        assert!(seconds(FaultKind::Block).all(|seconds| seconds == 3.0));
    }
}

//! Random trees, random failures, removals and supervisors that fail, under asks from several tasks at once, against a
//! simple model. Each run prints its seed; `PROPTEST_RNG_SEED` runs it again.

mod clerk;
#[path = "../common/mod.rs"]
mod common;
mod traffic;
mod unlimited;
mod within_budget;
mod world;

use std::panic::resume_unwind;
use std::sync::Once;

use proptest::prelude::{Just, ProptestConfig, prop, prop_oneof};
use proptest::strategy::Strategy as _;
use proptest::test_runner::RngSeed;
use tillstream_supervision::Strategy;
use tokio::task::spawn_local;

use crate::world::Shape;

fn strategy() -> impl proptest::strategy::Strategy<Value = Strategy> + Clone {
    prop_oneof![Just(Strategy::OneForOne), Just(Strategy::RestForOne), Just(Strategy::OneForAll)]
}

/// Up to three levels of supervisors.
fn shape() -> impl proptest::strategy::Strategy<Value = Shape> {
    let leaf = (strategy(), 1..4_usize).prop_map(|(strategy, actors)| Shape { strategy, actors, groups: vec![] });
    leaf.prop_recursive(2, 8, 2, |below| {
        (strategy(), 0..3_usize, prop::collection::vec(below, 1..3)).prop_map(|(strategy, actors, groups)| Shape {
            strategy,
            actors,
            groups,
        })
    })
}

/// As many cases, from a seed that a failure shows.
#[expect(clippy::print_stderr, reason = "the seed belongs into the output of the test")]
fn cases(cases: u32) -> ProptestConfig {
    quiet();
    let default = ProptestConfig::default();
    let seed = match default.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => fastrand::u64(..),
    };
    eprintln!("PROPTEST_RNG_SEED={seed}");
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..default }
}

/// Thousands of panics are on purpose; a backtrace of each would take longer than everything else.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let text = panic.payload_as_str().unwrap_or_default();
            if !text.starts_with("injected fault") && text != "no disk" {
                loud(panic);
            }
        }));
    });
}

/// Runs one case on a clock of its own, with a deadline in its time.
fn run(case: impl Future<Output = ()> + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    // A task of its own takes turns with those of the tree; the future of a `LocalSet` has one turn in sixty.
    let ran = runtime.expect("a runtime").block_on(common::on_one_thread(async { spawn_local(case).await }));
    if let Err(failed) = ran {
        resume_unwind(failed.into_panic());
    }
}

//! The invariants of the executable model, on the real actors: whatever is killed, every sale is counted exactly once
//! and every message is acknowledged in the end.

use tillstream_supervision::Fault;

use crate::deadline::{doing, run};
use crate::random::Random;
use crate::seeds;
use crate::tills::Tills;
use crate::world::World;

const SEEDS: u64 = 150;

/// For the outbox alone. An intake that orders only once to forget copies is caught by four of them at 6 %, and by most
/// at 60 %.
const OUTBOX_SEEDS: u64 = 60;

pub const ACTORS: [&str; 6] = ["intake", "router", "outbox", "windows.STORE_1", "windows.STORE_2", "windows.STORE_3"];

pub const SUDDEN: [Fault; 3] = [Fault::Panic, Fault::PanicAfter, Fault::Stop];

struct Chaos {
    tills: Tills,
    outage: u64,
}

impl Chaos {
    async fn break_something(&mut self, world: &mut World, percent: u32) {
        let random = &mut self.tills.random;
        if random.percent(percent) {
            world.inject(random.one_of(ACTORS), random.one_of(SUDDEN));
        }
        if random.percent(percent / 8) {
            world.restart_process().await;
        }
        if random.percent(2) {
            self.outage = random.one_of([4, 20, 120]);
        }
    }
}

async fn run_seed(seed: u64) {
    doing(|| format!("seed {seed}"));
    let mut tills = Tills::new(seed);
    let limit = tills.random.one_of([6, 20, 1_000_000]);
    let percent = tills.random.one_of([0, 8, 24]);
    let mut world = World::start(limit).await;
    let refuse_percent = if seed.is_multiple_of(2) { percent } else { 0 };
    world.broker().random = Random::seeded(seed + 7);
    world.broker().refuse_percent = refuse_percent;
    // While publications fail, a redelivered sale is acknowledged because its event is pending on disk, which nobody
    // outside can see.
    world.broker().strict = limit > 10_000 && refuse_percent == 0;
    let mut chaos = Chaos { tills, outage: 0 };
    for _ in 0..40 + chaos.tills.random.below(80) {
        chaos.tills.sell(&mut world);
        chaos.break_something(&mut world, percent).await;
        chaos.outage = chaos.outage.saturating_sub(1);
        world.step(chaos.outage == 0).await;
    }
    chaos.tills.send_again(&mut world, true);
    world.broker().refuse_percent = 0;
    world.settle().await;
    world.assert_everything_is_counted_once(&format!("seed {seed}, limit {limit}, faults {percent} %"));
}

#[test]
fn every_sale_is_counted_exactly_once_whatever_is_killed() {
    for seed in seeds(SEEDS) {
        run(run_seed(seed));
    }
}

/// A flow so small that its sales go through the journal all the time, and an outbox that fails in the middle of that.
async fn copies_left(seed: u64, percent: u32) -> usize {
    doing(|| format!("seed {seed}, outbox failing at {percent} %"));
    let mut tills = Tills::new(seed);
    let mut world = World::start(6).await;
    world.broker().strict = false;
    for _ in 0..80 {
        tills.sell(&mut world);
        for _ in 0..3 {
            if tills.random.percent(percent) {
                world.inject("outbox", tills.random.one_of(SUDDEN));
            }
            let polls = tills.random.below(40) as usize;
            world.step_near_death(polls).await;
        }
        world.step(true).await;
    }
    tills.send_again(&mut world, true);
    world.settle().await;
    world.assert_everything_is_counted_once(&format!("seed {seed}, outbox failing at {percent} %"));
    world.journalled_after_the_end().await
}

#[test]
fn no_copy_of_a_counted_sale_stays_in_the_journal_however_often_the_outbox_fails() {
    let mut left = Vec::new();
    for (seed, percent) in seeds(OUTBOX_SEEDS).flat_map(|seed| [(seed, 6), (seed, 60)]) {
        run(async {
            let copies = copies_left(seed, percent).await;
            left.extend((copies > 0).then_some((seed, percent, copies)));
        });
    }
    assert!(left.is_empty(), "counted again once their ids are forgotten (seed, percent, copies): {left:?}");
}

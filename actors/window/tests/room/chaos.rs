//! The invariants of the executable model, on the real actors: whatever is killed, every sale is counted exactly once
//! and every message is acknowledged in the end.

use tillstream_domain::Sale;
use tillstream_supervision::Fault;

use crate::world::fastrand_for_test::Random;
use crate::world::{World, run, sale_at};

const SEEDS: u64 = 60;

const ACTORS: [&str; 6] = ["intake", "router", "outbox", "windows.STORE_1", "windows.STORE_2", "windows.STORE_3"];

struct Chaos {
    random: Random,
    next_id: u128,
    /// Tills that will send again what was accepted in fact.
    again: Vec<(i64, Sale)>,
    outage: u64,
}

impl Chaos {
    fn sell(&mut self, world: &mut World) {
        for _ in 0..self.random.below(6) {
            self.next_id += 1;
            let store = 1 + self.random.below(3) as u32;
            let lag = if self.random.percent(40) {
                [0, 300, 2_000, 8_000, 20_000, 50_000, 200_000][self.random.below(7) as usize]
            } else {
                0
            };
            let ahead = if store == 2 && self.random.percent(25) { 59_000 } else { 0 };
            let cents = 1 + self.random.below(999) as i64;
            let sale = sale_at(self.next_id, store, world.now_ms - lag + ahead, world.now_ms, cents);
            world.put(sale);
            if self.random.percent(15) {
                let delay = [500, 5_000, 60_000, 120_000][self.random.below(4) as usize];
                self.again.push((world.now_ms + delay, sale));
            }
        }
        self.send_again(world, false);
    }

    fn send_again(&mut self, world: &mut World, all: bool) {
        let now = world.now_ms;
        let due = self.again.extract_if(.., |(at, _)| all || *at <= now).collect::<Vec<_>>();
        for (_, sale) in due {
            world.put(Sale { accepted_at: chrono::DateTime::from_timestamp_millis(now).unwrap(), ..sale });
        }
    }

    async fn break_something(&mut self, world: &mut World, percent: u32) {
        if self.random.percent(percent) {
            let actor = ACTORS[self.random.below(ACTORS.len() as u64) as usize];
            let fault = [Fault::Panic, Fault::PanicAfter, Fault::Stop][self.random.below(3) as usize];
            world.inject(actor, fault);
        }
        if self.random.percent(percent / 8) {
            world.restart_process().await;
        }
        if self.random.percent(2) {
            self.outage = [4, 20, 120][self.random.below(3) as usize];
        }
    }
}

async fn run_seed(seed: u64) {
    let mut random = Random::seeded(seed);
    let limit = [6, 20, 1_000_000][random.below(3) as usize];
    let percent = [0, 8, 24][random.below(3) as usize];
    let mut world = World::start(limit).await;
    world.broker().random = Random::seeded(seed + 7);
    let refuse_percent = if seed.is_multiple_of(2) { percent } else { 0 };
    world.broker().refuse_percent = refuse_percent;
    // While publications fail, a redelivered sale is acknowledged because its event is pending on disk, which nobody
    // outside can see.
    world.broker().strict = limit > 10_000 && refuse_percent == 0;
    let mut chaos = Chaos { random, next_id: u128::from(seed) << 32, again: Vec::new(), outage: 0 };
    for _ in 0..40 + chaos.random.below(80) {
        chaos.sell(&mut world);
        chaos.break_something(&mut world, percent).await;
        chaos.outage = chaos.outage.saturating_sub(1);
        world.step(chaos.outage == 0).await;
    }
    chaos.send_again(&mut world, true);
    world.broker().refuse_percent = 0;
    world.settle().await;
    world.assert_everything_is_counted_once(&format!("seed {seed}, limit {limit}, faults {percent} %"));
}

#[test]
fn every_sale_is_counted_exactly_once_whatever_is_killed() {
    let seeds = std::env::var("ROOM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let first = std::env::var("ROOM_FIRST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in first..first + seeds {
        run(run_seed(seed));
    }
}

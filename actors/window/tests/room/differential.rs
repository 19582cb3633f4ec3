//! The room against the books of a person with all receipts: the process dies between any two steps that are durable or
//! visible, actors fail, the flow stalls, and the final event of every window plus its late sales is right to the cent.

use std::collections::BTreeMap;

use crate::chaos::{ACTORS, SUDDEN};
use crate::deadline::{doing, run};
use crate::lives::{POINTS, Point, Reaper};
use crate::random::Random;
use crate::seeds;
use crate::tills::Tills;
use crate::world::World;

const SEEDS: u64 = 340;

/// Deaths per seed.
const TIMES: u32 = 12;

/// Returns where the process died.
async fn run_seed(seed: u64) -> BTreeMap<Point, u64> {
    doing(|| format!("seed {seed}"));
    let mut tills = Tills::new(seed);
    tills.criminal = tills.random.percent(50);
    let focus = focus_of(seed, &mut tills.random);
    let journals =
        focus.iter().any(|point| matches!(point, Point::JournalledNotAcknowledged | Point::JournalledAndAcknowledged));
    let limit = if journals { tills.random.one_of([6, 20]) } else { tills.random.one_of([6, 20, 1_000_000]) };
    let every = tills.random.one_of([1, 3, 10]);
    let mut world = World::start_with(limit, Reaper::new(seed, focus.clone(), every, TIMES)).await;
    world.broker().random = Random::seeded(seed + 7);
    world.broker().refuse_percent = tills.random.one_of([0, 0, 20]);
    world.broker().strict = false;
    sell_and_die(&mut tills, &mut world).await;
    world.broker().refuse_percent = 0;
    world.reaper().retire();
    world.settle().await;
    let context = format!("seed {seed}, limit {limit}, deaths {:?}", world.reaper().deaths);
    world.assert_everything_is_counted_once(&context);
    assert_eq!(world.journalled_after_the_end().await, 0, "{context}: something stays in the journal");
    std::mem::take(&mut world.reaper().deaths)
}

/// One point after the other, together with another one.
fn focus_of(seed: u64, random: &mut Random) -> Vec<Point> {
    vec![POINTS[(seed % POINTS.len() as u64) as usize], random.one_of(POINTS)]
}

async fn sell_and_die(tills: &mut Tills, world: &mut World) {
    let mut outage = 0_u64;
    for _ in 0..40 + tills.random.below(60) {
        tills.sell(world);
        if tills.random.percent(4) {
            world.inject(tills.random.one_of(ACTORS), tills.random.one_of(SUDDEN));
        }
        if tills.random.percent(2) {
            outage = tills.random.one_of([4, 20, 120]);
        }
        outage = outage.saturating_sub(1);
        match tills.random.percent(20) {
            true => world.step_near_death(tills.random.below(40) as usize).await,
            false => world.step(outage == 0).await,
        }
    }
    tills.send_again(world, true);
    world.steps(tills.random.below(200) as usize).await;
}

#[test]
fn the_books_are_right_to_the_cent_wherever_the_process_dies() {
    let mut deaths = BTreeMap::<Point, u64>::new();
    for seed in seeds(SEEDS) {
        run(async {
            for (point, times) in run_seed(seed).await {
                *deaths.entry(point).or_default() += times;
            }
        });
    }
    println!("deaths by point: {deaths:#?}");
    let missed: Vec<Point> = POINTS.into_iter().filter(|point| !deaths.contains_key(point)).collect();
    assert!(missed.is_empty(), "nobody died at {missed:?}: more seeds are needed, or the room has changed");
}

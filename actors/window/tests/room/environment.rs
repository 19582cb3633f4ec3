//! What is not an actor and goes wrong: the disk takes no writes for a while, the service's clock jumps.

use tillstream_messages::{Leg, LegState, StorageTrouble};
use tillstream_supervision::Fault;

use crate::deadline::{doing, run};
use crate::sales::{sale_at, store};
use crate::world::World;

/// A flow of this size is crowded, so that sales are journalled all the time.
const CROWDED: usize = 20;
const UNLIMITED: usize = 1_000_000;

/// Sells through two conditions of the disk; `killed` dies in the middle of each.
async fn sell_through_a_bad_disk(limit: usize, killed: Option<&str>) {
    let mut world = World::start(limit).await;
    let mut was_down = 0;
    for step in 0..320_u32 {
        let trouble = match step {
            60..140 => Some(StorageTrouble::Full),
            200..260 => Some(StorageTrouble::ReadOnly),
            _ => None,
        };
        world.faults.storage.set(trouble);
        if let (100 | 230, Some(actor)) = (step, killed) {
            world.inject(actor, Fault::Panic);
        }
        world.put(world.sale(step.into(), 1 + step % 3, 0, 100));
        world.step(true).await;
        was_down += u32::from(trouble.is_some() && world.health.get(Leg::WindowState) != LegState::Up);
    }
    assert!(was_down > 60, "the leg stood while nothing could be stored: it was down for {was_down} steps");
    world.settle().await;
    assert_eq!(world.health.get(Leg::WindowState), LegState::Up);
    world.assert_everything_is_counted_once(&format!("limit {limit}, killed {killed:?}"));
}

#[test]
fn a_disk_that_takes_no_writes_for_a_while_costs_no_sale_and_no_restart() {
    for limit in [CROWDED, UNLIMITED] {
        for killed in [None, Some("intake"), Some("router"), Some("outbox"), Some("windows.STORE_1")] {
            doing(move || format!("selling through a bad disk, limit {limit}, killed {killed:?}"));
            run(sell_through_a_bad_disk(limit, killed));
        }
    }
}

#[test]
fn a_clock_that_jumps_for_some_seconds_changes_no_sum_and_makes_no_sale_of_a_busy_store_late() {
    for jump in [-20_000, 20_000, 120_000] {
        doing(move || format!("selling under a clock that jumps by {jump} ms"));
        run(async move {
            let mut world = World::start(UNLIMITED).await;
            for step in 0..240_u32 {
                let shift = if step % 60 >= 50 { jump } else { 0 };
                let now = world.now_ms;
                world.put(sale_at(step.into(), 1, now, now + shift, 100));
                // A quiet store, whose windows are closed by the progress of the others.
                if step % 30 == 0 {
                    world.put(sale_at(u128::from(step) + 1_000, 2, now, now + shift, 100));
                }
                world.step(true).await;
            }
            world.settle().await;
            world.assert_everything_is_counted_once(&format!("a clock that jumps by {jump} ms"));
            let late: Vec<_> = world.broker().late.values().map(|late| late.sale).collect();
            assert!(late.iter().all(|sale| sale.store != store(1)), "{late:?}");
        });
    }
}

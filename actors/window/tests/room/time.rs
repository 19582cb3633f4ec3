//! Days and hours of the room's clock in seconds of ours: when windows are told, when they are final, and what an outage,
//! a backlog or a shutdown does to that.

use std::collections::BTreeMap;
use std::time::Duration;

use tillstream_domain::StoreId;
use tokio::time::Instant;

use crate::broker::Emission;
use crate::deadline::run;
use crate::random::Random;
use crate::sales::sale_at;
use crate::world::{EPOCH_MS, World};

const UNLIMITED: usize = 1_000_000;
const SECOND: Duration = Duration::from_secs(1);

/// Events per window, in order, with the tills' time at which each came.
type Told = BTreeMap<(StoreId, i64), Vec<(i64, Emission)>>;

fn told(world: &World) -> Told {
    let mut told = Told::new();
    let step_ms = world.pace.as_millis() as i64;
    for emission in &world.broker().emissions {
        let key = (emission.event.store_id, emission.event.window_start.timestamp_millis());
        // A step's sales are sold at its end and delivered at its beginning.
        let at_ms = EPOCH_MS + emission.at.as_millis() as i64 + step_ms;
        told.entry(key).or_default().push((at_ms, emission.clone()));
    }
    told
}

/// Nothing before its time; nothing more than idle time, silence and a little later.
fn assert_punctual(world: &World) {
    const SLACK_MS: i64 = 12_000;
    for ((store, start), events) in told(world) {
        let end = start + 10_000;
        let (first, _) = events[0];
        assert!((end..end + SLACK_MS).contains(&first), "{store}: told {} ms after its end", first - end);
        let finals: Vec<i64> = events.iter().filter(|(_, one)| one.event.is_final).map(|(at, _)| *at).collect();
        let [last] = finals[..] else { panic!("{store}: {} final events of one window", finals.len()) };
        assert!(
            (end + 30_000..end + 30_000 + SLACK_MS).contains(&last),
            "{store}: final {} ms after its end",
            last - end
        );
    }
}

#[test]
fn a_day_of_one_store_with_a_long_lunch_and_a_quiet_night_tells_every_window_in_time() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.pace = SECOND;
        let mut random = Random::seeded(1);
        for second in 0..24 * 3_600_u128 {
            let open = matches!(second / 3_600, 8..12 | 14..20);
            if open && random.percent(25) {
                let lag = random.one_of([0, 300, 900]);
                let sale = world.sale(second, 1, lag, 1 + random.below(999) as i64);
                world.put(sale);
            }
            world.step(true).await;
        }
        world.assert_everything_is_counted_once("a day");
        assert_punctual(&world);
        assert!(world.broker().late.is_empty() && world.broker().unacknowledged.is_empty());
        assert!(world.broker().rows.len() > 3_000);
    });
}

#[test]
fn three_hours_without_the_flow_close_nothing_and_the_backlog_closes_nothing_early() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.pace = SECOND;
        let mut random = Random::seeded(2);
        world.steps(5).await;
        for second in 0..3 * 3_600_u128 {
            for store in 1..=3 {
                let sells = store != 3 || second < 3_600;
                if sells && random.percent(20) {
                    let lag = random.one_of([0, 300, 900, 8_000, 20_000]);
                    let sale = world.sale(second * 3 + u128::from(store), store, lag, 1 + random.below(999) as i64);
                    world.put(sale);
                }
            }
            world.step(false).await;
        }
        assert!(world.broker().emissions.is_empty(), "nothing is told while nothing is delivered");

        world.batch = 500;
        world.settle().await;
        world.assert_everything_is_counted_once("a backlog of three hours");
        assert!(world.broker().late.is_empty(), "a backlog makes nothing late");
    });
}

#[test]
fn three_hours_without_the_flow_are_no_idle_time_even_if_nothing_waits_behind_them() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.put(world.sale(1, 1, 0, 100));
        world.steps(6).await;
        let straggler = world.sale(2, 1, 1_000, 100);
        for _ in 0..6 * 3_600 {
            world.step(false).await;
        }
        world.steps(2).await;
        world.put(straggler);
        world.settle().await;
        world.assert_everything_is_counted_once("an outage of an empty queue");
        assert!(world.broker().late.is_empty(), "the window was closed by time in which nobody could sell");
    });
}

#[test]
fn a_window_is_told_the_moment_the_watermark_reaches_its_end_and_not_a_millisecond_before() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.step(true).await;
        let at = |after_end| {
            sale_at(after_end as u128 + 1_000_000, 1, EPOCH_MS + 10_000 + after_end, EPOCH_MS + 90_000, 100)
        };
        world.put(sale_at(1, 1, EPOCH_MS, EPOCH_MS + 90_000, 100));
        world.put(at(999));
        world.step(true).await;
        assert!(world.broker().emissions.is_empty(), "the disorder of a second is not over");

        let now = world.broker().began.elapsed();
        world.put(at(1_000));
        world.step(true).await;
        assert_eq!(world.broker().emissions[0].at, now);
    });
}

#[test]
fn a_window_takes_sales_until_its_allowed_lateness_is_over_and_not_a_millisecond_longer() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.step(true).await;
        let at = |number, ms: i64| sale_at(number, 1, EPOCH_MS + ms, EPOCH_MS + 90_000, 100);
        world.put(at(1, 0));
        world.put(at(2, 10_000 + 30_000 + 999));
        world.put(at(3, 5_000));
        world.step(true).await;
        assert!(!world.broker().emissions.iter().any(|emission| emission.event.is_final));

        let now = world.broker().began.elapsed();
        world.put(at(4, 10_000 + 30_000 + 1_000));
        world.step(true).await;
        world.put(at(5, 5_001));
        world.step(true).await;
        let decided = world.broker().emissions.iter().find(|emission| emission.event.is_final).cloned().unwrap();
        assert_eq!((decided.at, decided.event.transaction_count), (now, 2), "the third sale is in, the fifth is not");
        assert_eq!(world.broker().late.len(), 1);
        world.settle().await;
        world.assert_everything_is_counted_once("lateness");
    });
}

#[test]
fn stragglers_ten_times_a_second_update_their_window_once_a_second() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.pace = Duration::from_millis(100);
        for number in 0..300_u128 {
            world.put(world.sale(number * 2, 1, 0, 100));
            world.put(world.sale(number * 2 + 1, 1, 15_000, 100));
            world.step(true).await;
        }
        let mut updates = 0;
        for ((_, start), events) in told(&world) {
            let open: Vec<i64> = events.iter().filter(|(_, one)| !one.event.is_final).map(|(at, _)| *at).collect();
            assert!(open.is_sorted_by(|one, next| next - one >= 1_000), "window {start} is told at {open:?}");
            updates += open.len().saturating_sub(1);
        }
        assert!(updates > 15, "{updates} updates");
    });
}

#[test]
fn a_room_whose_events_nobody_takes_shuts_down_in_time_and_the_next_one_loses_nothing() {
    run(async {
        let mut world = World::start(200).await;
        world.broker().refuse_percent = 100;
        for number in 0..400 {
            world.put(world.sale(number, 1 + (number % 3) as u32, 0, 100));
            world.step(true).await;
        }
        let before = Instant::now();
        world.restart_process().await;
        let took = before.elapsed();
        assert!(took <= Duration::from_secs(6), "an actor has 5 s to stop; all of them took {took:?}");

        world.broker().refuse_percent = 0;
        world.settle().await;
        world.assert_everything_is_counted_once("shut down with events in hand");
    });
}

//! What users of the original suffered, one test each.

use bytes::Bytes;
use tillstream_messages::Tampering;
use tillstream_supervision::Fault;

use crate::deadline::run;
use crate::sales::{sale_at, store};
use crate::world::World;

const UNLIMITED: usize = 1_000_000;

#[test]
fn a_message_that_is_no_sale_does_not_stop_the_turnover_of_the_others() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        for poison in ["", "null", "{", r#"{"timestamp":"yesterday"}"#, "\u{0}\u{ff}"] {
            world.put_document(Bytes::from(poison));
        }
        world.put(world.sale(1, 1, 0, 100));
        world.settle().await;
        world.assert_everything_is_counted_once("poison");
        assert_eq!(world.broker().rejected.len(), 5);
    });
}

#[test]
fn a_stalled_flow_loses_no_sale_of_an_ordered_stream() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        for number in 0..60 {
            world.put(world.sale(number, 1, 0, 100));
            world.step(number % 7 < 3).await;
        }
        world.settle().await;
        world.assert_everything_is_counted_once("stalls");
        assert!(world.broker().late.is_empty());
    });
}

#[test]
fn a_crash_in_the_middle_of_a_window_loses_nothing_of_it() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        for number in 0..50 {
            world.put(world.sale(number, 1 + (number % 3) as u32, 0, 100));
            world.step(true).await;
            if number % 10 == 5 {
                world.restart_process().await;
            }
        }
        world.settle().await;
        world.assert_everything_is_counted_once("restarts");
    });
}

#[test]
fn d7_an_aggregate_that_nobody_takes_for_minutes_is_published_in_the_end_and_acknowledges_nothing_before() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.broker().refuse_percent = 100;
        for number in 0..120 {
            world.put(world.sale(number, 1, 0, 100));
            world.step(true).await;
        }
        world.steps(240).await;
        assert!(world.broker().rows.is_empty() && world.broker().unacknowledged.len() == 120);

        world.broker().refuse_percent = 0;
        world.settle().await;
        world.assert_everything_is_counted_once("refused for minutes");
    });
}

#[test]
fn a_till_that_sends_a_sale_again_is_not_charged_twice() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        let sale = world.sale(1, 1, 0, 100);
        world.put(sale);
        world.put(sale);
        world.steps(150).await;
        world.put(sale);
        world.settle().await;
        world.assert_everything_is_counted_once("retries");
        assert!(world.broker().late.is_empty());
    });
}

#[test]
fn a_window_has_one_final_event_however_often_it_was_told_before() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        for number in 0..40 {
            world.put(world.sale(number, 1, (number as i64 % 4) * 4_000, 100));
            world.step(true).await;
        }
        world.settle().await;
        world.assert_everything_is_counted_once("updates");
        assert!(world.broker().rows.values().all(|row| row.is_final));
    });
}

#[test]
fn one_till_59_s_ahead_for_five_minutes_makes_no_other_tills_sale_late() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        for number in 0..600 {
            let now = world.now_ms;
            world.put(sale_at(number * 2, 1, now + 59_000, now, 100));
            world.put(world.sale(number * 2 + 1, 1, 0, 100));
            world.step(true).await;
        }
        world.settle().await;
        world.assert_everything_is_counted_once("a till ahead");
        assert!(world.broker().late.is_empty());
    });
}

#[test]
fn the_same_id_with_another_store_or_amount_is_rejected_and_never_counted() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.put(world.sale(1, 1, 0, 100));
        world.put(world.sale(1, 2, 0, 100));
        world.put(world.sale(1, 1, 0, 101));
        world.settle().await;
        world.put(world.sale(1, 2, 0, 100));
        world.settle().await;
        world.assert_everything_is_counted_once("conflicts");
        assert_eq!(world.broker().published.rejected.len(), 3);
    });
}

#[test]
fn a_repetition_of_a_counted_sale_is_no_conflict_because_somebody_else_used_its_id() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.put(world.sale(1, 1, 0, 100));
        world.settle().await;
        world.put(world.sale(1, 2, 0, 200));
        world.settle().await;
        world.put(world.sale(1, 1, 0, 100));
        world.settle().await;
        world.assert_everything_is_counted_once("a repetition after a conflict");
        assert_eq!(world.broker().published.rejected.len(), 1);
    });
}

#[test]
fn a_repetition_of_a_counted_sale_is_no_conflict_even_while_somebody_else_claims_its_id() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.put(world.sale(1, 1, 0, 100));
        world.settle().await;
        world.put(world.sale(1, 2, 0, 200));
        world.put(world.sale(1, 1, 0, 100));
        world.settle().await;
        world.assert_everything_is_counted_once("a repetition together with a conflict");
    });
}

#[test]
fn nothing_stays_in_the_journal_when_all_is_counted_whenever_the_intake_was_killed() {
    run(async {
        for polls in 0..16 {
            // A full delivery is crowded at once; the intake dies somewhere between its order to journal and the answer.
            let mut world = World::start(40).await;
            world.step(true).await;
            for number in 0..40 {
                world.put(world.sale(number, 1, 0, 100));
            }
            world.step_with_fault("intake", Fault::Stop, polls).await;
            world.settle().await;
            world.assert_everything_is_counted_once("intake killed while it spills");
            assert_eq!(world.journalled_after_the_end().await, 0, "killed after {polls} polls");
        }
    });
}

#[test]
fn nothing_stays_in_the_journal_when_all_is_counted_whenever_the_outbox_was_killed() {
    run(async {
        // Journalled sales are forgotten within a second of their window's final event, and in that second the outbox dies.
        for offset in 0..4 {
            let mut world = World::start(40).await;
            world.steps(1 + offset).await;
            for number in 0..40 {
                world.put(world.sale(number, 1, 0, 100));
            }
            while !world.broker().rows.values().any(|row| row.is_final) {
                world.step(true).await;
            }
            world.step_with_fault("outbox", Fault::Stop, 0).await;
            world.settle().await;
            world.assert_everything_is_counted_once("outbox killed while it forgets");
            assert_eq!(world.journalled_after_the_end().await, 0, "killed {offset} steps later");
        }
    });
}

#[test]
fn the_books_see_a_sale_that_is_lost_doubled_or_mispriced() {
    for tampering in [Tampering::Lose, Tampering::Double, Tampering::Misprice] {
        run(async move {
            let mut world = World::start(UNLIMITED).await;
            world.steps(4).await;
            world.faults.tamper.arm(tampering);
            for number in 0..20 {
                world.put(world.sale(number, 1 + (number % 3) as u32, 0, 100));
                world.step(true).await;
            }
            world.settle().await;
            let complaints = world.receipts.complaints(&world.broker().published);
            assert_eq!(complaints.len(), 1, "{tampering:?}: {complaints:?}");
        });
    }
}

#[test]
fn a_small_flow_window_never_starves_because_the_oldest_sales_go_to_the_journal() {
    run(async {
        let mut world = World::start(100).await;
        for number in 0..1_000 {
            world.put(world.sale(number, 1 + (number % 2) as u32, 0, 100));
            if number % 10 == 9 {
                world.step(true).await;
            }
        }
        assert!(world.broker().queue.is_empty());
        world.restart_process().await;
        world.settle().await;
        world.assert_everything_is_counted_once("spill");
        assert!(world.broker().late.is_empty());
    });
}

#[test]
fn a_quiet_store_still_closes_its_window_while_others_sell() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.put(world.sale(1, 2, 0, 100));
        for number in 10..130 {
            world.put(world.sale(number, 1, 0, 100));
            world.step(true).await;
        }
        assert!(world.broker().rows.iter().any(|((of, _), row)| *of == store(2) && row.is_final));
    });
}

#[test]
fn an_outage_of_the_flow_closes_nothing_early() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.put(world.sale(1, 1, 0, 100));
        world.steps(4).await;
        for _ in 0..400 {
            world.step(false).await;
        }
        assert!(world.broker().rows.is_empty());
        world.settle().await;
        world.assert_everything_is_counted_once("outage");
    });
}

#[test]
fn a_killed_window_actor_goes_on_with_all_its_sales() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        for number in 0..40 {
            world.put(world.sale(number, 1, 0, 100));
            world.inject("windows.STORE_1", [Fault::Panic, Fault::PanicAfter, Fault::Stop][number as usize % 3]);
            world.step(true).await;
        }
        world.settle().await;
        world.assert_everything_is_counted_once("window killed");
    });
}

#[test]
fn a_busy_flow_with_few_sales_per_store_loses_none_when_the_router_dies_over_them() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.batch = 512;
        for step in 0..10_u32 {
            for number in 0..300 {
                world.put(world.sale((step * 300 + number).into(), 1 + number % 60, 0, 100));
            }
            match step {
                // The sales of this delivery wait in the router for more of their stores.
                5 => world.step_with_fault("router", Fault::Panic, 50).await,
                _ => world.step(true).await,
            }
        }
        world.settle().await;
        world.assert_everything_is_counted_once("busy");
    });
}

#[test]
fn a_message_that_is_no_sale_and_comes_again_before_its_rejection_is_published_is_acknowledged_with_it() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.broker().refuse_percent = 100;
        world.broker().queue.push_back((Bytes::from("{"), false));
        world.steps(4).await;
        world.broker().rebind = true;
        world.steps(4).await;
        assert_eq!(world.broker().unacknowledged.len(), 1);

        world.broker().refuse_percent = 0;
        world.settle().await;
        assert_eq!(world.broker().rejected.len(), 1);
    });
}

use std::os::unix::fs::MetadataExt;

use chrono::TimeDelta;
use tillstream_domain::{AggregatedEvent, FinalWindow, FoldedSale, HeldLate, LateSale, SaleTag};
use tillstream_messages::PublishMessage;
use uuid::Uuid;

use super::*;

fn store() -> StoreId {
    StoreId::from_number(3).unwrap()
}

fn id(number: u128) -> TransactionId {
    TransactionId::new(Uuid::from_u128(number))
}

fn open_for_test(dir: &Path) -> StateStore {
    let state = StateStore::open(dir, Duration::from_secs(86_400), WriteGate::default()).unwrap();
    state.take_over(1).unwrap();
    state
}

/// Of the first window.
fn final_for_test(decision: u64, ids: &[u128]) -> Entry {
    later_final_for_test(0, None, decision, ids)
}

fn later_final_for_test(window: i64, follows: Option<i64>, decision: u64, ids: &[u128]) -> Entry {
    let window_start = DateTime::UNIX_EPOCH + TimeDelta::seconds(window * 10);
    let count = ids.len() as u64;
    let tag = SaleTag { epoch: 1, number: 1 };
    let amount = Money::from_cents(100);
    Entry::Final(Arc::new(FinalWindow {
        decision,
        follows: follows.map(|before| DateTime::UNIX_EPOCH + TimeDelta::seconds(before * 10 + 10)),
        event: AggregatedEvent {
            total_amount: Money::from_cents(100 * ids.len() as i64),
            event_id: AggregatedEvent::id_of(store(), window_start, count, true),
            store_id: store(),
            begin_stream_aggregator: window_start,
            end_stream_aggregator: window_start,
            window_start,
            window_end: window_start + TimeDelta::seconds(10),
            transaction_count: count,
            is_final: true,
            currency: "EUR".to_owned(),
        },
        sales: ids.iter().map(|&number| FoldedSale { id: id(number), amount, tag }).collect(),
        older_tags: Vec::new(),
    }))
}

fn sale_for_test(number: u128) -> Sale {
    let time = DateTime::from_timestamp(5, 123_456_789).unwrap();
    Sale { id: id(number), store: store(), timestamp: time, accepted_at: time, amount: Money::from_cents(7) }
}

fn late_for_test(number: u128) -> Entry {
    let sale = sale_for_test(number);
    let (window_start, window_end) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::seconds(10));
    let held = HeldLate { late: LateSale { sale, window_start, window_end }, tag: SaleTag { epoch: 1, number: 1 } };
    let message = PublishMessage::new("p/late/STORE_3/x".to_owned(), sale.id.uuid(), held.late.to_json(), 3);
    Entry::Late(held, message)
}

fn write(state: &StateStore, entries: &[Entry]) -> Vec<Outcome> {
    state.write(1, entries, &Forget::default()).unwrap()
}

#[test]
fn a_decision_survives_a_restart_with_its_ids_its_watermark_and_its_event_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(&open_for_test(dir.path()), &[final_for_test(1, &[1, 2]), late_for_test(9)]);
    let [Outcome::Publish(key, PendingEvent::Aggregate(event)), Outcome::Publish(..)] = &written[..] else {
        panic!("{written:?}")
    };
    let state = StateStore::open(dir.path(), Duration::from_secs(86_400), WriteGate::default()).unwrap();
    let pending = state.take_over(1).unwrap();
    assert_eq!(pending.len(), 2);
    let (_, PendingEvent::Aggregate(again)) = pending.iter().find(|(found, _)| found == key).unwrap() else { panic!() };
    assert_eq!(again.to_json(), event.to_json());
    assert_eq!(state.final_until(store()).unwrap(), Some(event.window_end));
    let opened = state.opened().unwrap();
    assert!([1, 2, 9].iter().all(|&number| state.indexed(&opened, id(number)).unwrap().is_some()));
}

#[test]
fn a_final_window_is_never_decided_twice_not_even_in_one_batch() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_for_test(dir.path());
    let written = write(&state, &[final_for_test(1, &[1]), final_for_test(2, &[1, 2])]);
    assert!(matches!(&written[..], [Outcome::Publish(..), Outcome::Overtaken]));
    assert!(matches!(&write(&state, &[final_for_test(3, &[2])])[..], [Outcome::Overtaken]));
    assert!(state.indexed(&state.opened().unwrap(), id(2)).unwrap().is_none());
}

#[test]
fn a_window_is_not_final_while_the_one_before_it_is_not_stored() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_for_test(dir.path());
    let (second, third) = (later_final_for_test(1, Some(0), 2, &[2]), later_final_for_test(4, Some(1), 3, &[3]));

    let lost = write(&state, &[second.clone(), third.clone()]);
    assert!(matches!(&lost[..], [Outcome::Premature, Outcome::Premature]), "{lost:?}");
    assert!(state.indexed(&state.opened().unwrap(), id(2)).unwrap().is_none());

    let told_again = write(&state, &[final_for_test(1, &[1]), second, third]);
    assert!(told_again.iter().all(|outcome| matches!(outcome, Outcome::Publish(..))), "{told_again:?}");
}

#[test]
fn a_late_sale_is_stored_once_and_only_after_its_window() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_for_test(dir.path());
    assert!(matches!(&write(&state, &[late_for_test(9)])[..], [Outcome::Premature]));
    let written = write(&state, &[final_for_test(1, &[1]), late_for_test(9), late_for_test(9), late_for_test(1)]);
    assert!(matches!(&written[..3], [Outcome::Publish(..), Outcome::Publish(..), Outcome::Known(_)]));
    assert!(matches!(
        &write(&state, &[late_for_test(9), late_for_test(1)])[..],
        [Outcome::Known(_), Outcome::Known(_)]
    ));
}

#[test]
fn a_late_sale_that_a_window_of_the_same_batch_has_counted_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_for_test(dir.path());
    let written = write(&state, &[final_for_test(1, &[1, 9]), late_for_test(9)]);
    assert!(matches!(&written[..], [Outcome::Publish(..), Outcome::Known(_)]), "{written:?}");
    assert_eq!(state.take_over(1).unwrap().len(), 1);
}

#[test]
fn what_a_failed_write_left_is_written_anew_before_it_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_for_test(dir.path());
    write(&state, &[final_for_test(1, &[1])]);
    let journal = || dir.path().join("aggregation/0.jnl").metadata().unwrap().ino();
    let before = journal();
    state.failed(&"no space left on device");
    assert_eq!(state.take_over(1).unwrap().len(), 1);
    assert_ne!(journal(), before);
}

#[test]
fn the_journal_gives_back_what_it_was_given_until_it_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let sales: Vec<_> = (1..=3).map(|number| (number, sale_for_test(number.into()))).collect();
    write(&open_for_test(dir.path()), &[Entry::Journal(Arc::new(sales.clone()))]);
    let state = open_for_test(dir.path());
    assert_eq!(state.journal().unwrap(), sales);
    state.write(1, &[], &Forget { pending: Vec::new(), journal: vec![1, 3] }).unwrap();
    assert_eq!(state.journal().unwrap(), sales[1..2]);
}

#[test]
fn an_outbox_that_was_replaced_cannot_write_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_for_test(dir.path());
    state.take_over(2).unwrap();
    assert!(matches!(state.write(1, &[final_for_test(1, &[1])], &Forget::default()), Err(StateError::Fenced)));
}

#[test]
fn a_second_process_on_the_same_state_is_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open_for_test(dir.path());
    let second = StateStore::open(dir.path(), Duration::from_secs(86_400), WriteGate::default()).err().unwrap();
    assert!(matches!(second, StateError::Locked(_)));
    assert!(second.to_string().contains("used by another process"));
}

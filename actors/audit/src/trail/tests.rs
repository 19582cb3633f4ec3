//! What becomes of records that are handed in: on disk, or counted.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::*;
use crate::Verdict;

const SOON: Duration = Duration::from_secs(30);

fn record(who: &str) -> Record {
    Record { who: Some(who.to_owned()), ..Record::new(Verdict::Unauthorised, "http") }
}

fn lines(directory: &Path) -> Vec<String> {
    fs::read_to_string(directory.join("access.jsonl")).unwrap().lines().map(str::to_owned).collect()
}

fn seats(all: usize) -> Seats {
    Seats { taken: Arc::default(), all }
}

fn rejected(till: u8) -> Record {
    Record {
        who: Some("pos".to_owned()),
        address: Some([192, 0, 2, till].into()),
        ..Record::new(Verdict::Rejected, "http")
    }
}

/// Waits until nobody records there any more: a process that ends takes its writer along, a value that ends does not wait for it.
fn is_over(directory: &Path) {
    let deadline = Instant::now() + SOON;
    let lock = fs::File::open(directory.join("lock")).unwrap();
    while lock.try_lock().is_err() {
        assert!(Instant::now() < deadline, "the writer does not end");
        thread::yield_now();
    }
}

#[test]
fn what_is_handed_in_is_on_disk_after_a_flush_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let audit = directory.path().join("audit");
    for who in ["first", "second"] {
        let trail = AuditTrail::start(&AuditSettings::default(), audit.clone()).unwrap();
        trail.write(record(who));
        assert!(trail.flush(SOON));
        drop(trail);
        is_over(&audit);
    }
    let lines = lines(&audit);
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(r#""who":"first""#) && lines[1].contains(r#""who":"second""#), "{lines:?}");
}

#[test]
fn a_record_that_is_full_has_all_its_fields_and_one_that_is_empty_has_none_that_say_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let trail = AuditTrail::start(&AuditSettings::default(), directory.path().to_owned()).unwrap();
    trail.write(Record::new(Verdict::Unauthorised, "smf"));
    trail.write(Record {
        address: Some([192, 0, 2, 1].into()),
        route: "/api/v1/ledger".to_owned(),
        reason: Some("role"),
        trace_id: Some("4bf9".to_owned()),
        suppressed: Some(7),
        ..record("till")
    });
    assert!(trail.flush(SOON));
    let lines = lines(directory.path());
    let (empty, full) = (&lines[0], &lines[1]);
    assert!(empty.ends_with(r#","verdict":"unauthorised","door":"smf"}"#), "{empty}");
    let expected = r#","verdict":"unauthorised","who":"till","address":"192.0.2.1","door":"http","route":"/api/v1/ledger","reason":"role","trace_id":"4bf9","suppressed":7}"#;
    assert!(full.ends_with(expected), "{full}");
}

#[test]
fn a_name_cannot_forge_a_record_or_a_field_and_cannot_fill_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let trail = AuditTrail::start(&AuditSettings::default(), directory.path().to_owned()).unwrap();
    trail.write(record("till\n{\"verdict\":\"corrected\"}\u{1b}[2J\u{202e}\""));
    trail.write(Record { what: Some("x".repeat(1_000_000)), ..record(&"x".repeat(1_000_000)) });
    assert!(trail.flush(SOON));
    let lines = lines(directory.path());
    assert_eq!(lines.len(), 2);
    assert!(!lines[0].chars().any(|sign| sign.is_control() || sign == '\u{202e}'), "{}", lines[0]);
    assert!(lines[0].contains(r#""verdict":"unauthorised""#) && lines[1].len() < 2_000, "{}", lines[1].len());
}

#[test]
fn a_disk_that_takes_nothing_stops_nobody_and_once_it_takes_something_records_go_on() {
    let home = tempfile::tempdir().unwrap();
    let audit = home.path().join("audit");
    fs::write(&audit, "a file where the directory should be").unwrap();
    let lost = LOST.get();
    let trail = AuditTrail::start(&AuditSettings::default(), audit.clone()).unwrap();
    (0..100).for_each(|_| trail.write(record("lost")));
    assert!(trail.flush(SOON), "whoever waits is told");
    // Other tests lose some too.
    assert!(LOST.get() >= lost + 100);

    fs::remove_file(&audit).unwrap();
    trail.write(record("kept"));
    assert!(trail.flush(SOON));
    assert_eq!(lines(&audit).len(), 1);
}

#[test]
fn a_queue_that_is_full_holds_nobody_up_and_what_finds_it_full_is_counted() {
    let (queue, orders) = sync_channel(2);
    let trail = AuditTrail(Some(Arc::new(Inner { queue, sales: seats(2), is_full: Arc::default(), is_logged: false })));
    let lost = LOST.get();
    (0..5).for_each(|_| trail.write(record("till")));
    assert!(LOST.get() >= lost + 3);
    assert!(!trail.flush(SOON), "nobody waits for a disk that takes nothing");
    assert_eq!(orders.try_iter().count(), 2);
}

#[test]
fn nothing_is_recorded_where_the_settings_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let settings = AuditSettings { enabled: false, ..AuditSettings::default() };
    let trail = AuditTrail::start(&settings, directory.path().to_owned()).unwrap();
    trail.write(record("till"));
    assert!(!trail.is_on() && trail.flush(SOON));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_flood_of_rejected_sales_leaves_room_for_whoever_was_refused() {
    let (queue, orders) = sync_channel(4);
    let trail = AuditTrail(Some(Arc::new(Inner { queue, sales: seats(3), is_full: Arc::default(), is_logged: false })));
    (0..10).for_each(|till| trail.write(rejected(till)));
    trail.write(record("stranger"));

    let waiting: Vec<_> = orders.try_iter().collect();
    let of_sales = waiting.iter().filter(|order| matches!(order, Order::Write(_, Some(_)))).count();
    assert_eq!((waiting.len(), of_sales), (4, 3));

    drop(waiting);
    (0..10).for_each(|till| trail.write(rejected(till)));
    assert_eq!(orders.try_iter().count(), 3, "seats are free again");
}

#[test]
fn a_till_that_sends_nothing_but_rubbish_leaves_half_of_the_places_to_the_others_and_what_it_loses_is_counted() {
    let (queue, orders) = sync_channel(8);
    let sales = seats(6);
    let taken = Arc::clone(&sales.taken);
    let trail = AuditTrail(Some(Arc::new(Inner { queue, sales, is_full: Arc::default(), is_logged: false })));
    let lost = LOST.get();
    (0..10).for_each(|_| trail.write(rejected(7)));
    assert!(LOST.get() >= lost + 7);
    (1..=4).for_each(|till| trail.write(rejected(till)));

    let waiting: Vec<_> = orders.try_iter().collect();
    let of = |till: u8| {
        waiting
            .iter()
            .filter(|order| matches!(order, Order::Write(record, _) if record.address == rejected(till).address))
            .count()
    };
    assert_eq!([of(7), of(1), of(2), of(3), of(4)], [3, 1, 1, 1, 0]);

    drop(waiting);
    assert!(lock(&taken).by_till.is_empty(), "who has nothing waiting is forgotten");
    (0..10).for_each(|_| trail.write(rejected(7)));
    assert_eq!(orders.try_iter().count(), 3, "places are free again");
}

//! What is recorded, and what is counted instead.

use serde_json::{Value, json};
use tillstream_audit::AuditSettings;

use super::*;

const SOON: Duration = Duration::from_secs(30);

/// The records that an audit log leaves.
fn written(test: impl FnOnce(AuditLog)) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    let trail = AuditTrail::start(&AuditSettings::default(), directory.path().to_owned()).unwrap();
    test(AuditLog::new("http", trail.clone()));
    assert!(trail.flush(SOON), "the writer is stuck");
    let text = std::fs::read_to_string(directory.path().join("access.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refusal<'a>() -> Refusal<'a> {
    Refusal { user: Some("till"), wanted: "/api/v1/ledger", reason: "role", ..Refusal::default() }
}

#[test]
fn a_refusal_is_one_record_that_says_who_what_where_and_why() {
    let address = Some([192, 0, 2, 1].into());
    let full = Refusal { address, trace: Some("4bf92f3577b34da6a3ce929d0e0e4736"), ..refusal() };
    let mut records = written(|log| log.note(&full, Instant::now()));
    assert!(records[0].as_object_mut().unwrap().remove("time").unwrap().is_string());
    let expected = json!({
        "verdict": "unauthorised",
        "who": "till",
        "address": "192.0.2.1",
        "door": "http",
        "route": "/api/v1/ledger",
        "reason": "role",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    });
    assert_eq!(records, [expected]);
}

/// From an address of its own.
fn from(number: u16) -> Refusal<'static> {
    let [high, low] = number.to_be_bytes();
    Refusal { address: Some([10, 0, high, low].into()), ..refusal() }
}

fn count_of(records: &[Value], key: &str, text: &str) -> usize {
    records.iter().filter(|record| record[key].as_str().is_some_and(|value| value.starts_with(text))).count()
}

/// How many went without a record of their own, by reason.
fn suppressed(records: &[Value]) -> Vec<(&str, u64)> {
    let counts = records.iter().filter_map(|record| Some((record["reason"].as_str()?, record["suppressed"].as_u64()?)));
    counts.collect()
}

#[test]
fn a_flood_from_one_address_leaves_room_for_the_refusals_of_others() {
    let flood: [IpAddr; 2] = ["2001:db8:0:1::1".parse().unwrap(), "2001:db8:0:1::2".parse().unwrap()];
    let records = written(|log| {
        let start = Instant::now();
        for address in flood.iter().cycle().take(1000) {
            log.note(&Refusal { address: Some(*address), ..refusal() }, start);
        }
        log.note(&from(1), start);
        log.note(&Refusal { address: None, ..refusal() }, start);
    });
    assert_eq!(count_of(&records, "address", "2001:db8:0:1::"), PER_ADDRESS, "all of a /64 is one address");
    assert_eq!(count_of(&records, "address", "10.0.0.1"), 1);
    assert_eq!(records.len(), PER_ADDRESS + 2 + 1);
    assert_eq!(suppressed(&records), [("role", 1000 - PER_ADDRESS as u64)]);
}

#[test]
fn not_even_fifty_addresses_together_take_the_room_of_another() {
    let records = written(|log| {
        let start = Instant::now();
        (0..1000).for_each(|_| (0..50).for_each(|number| log.note(&from(number), start)));
        (50..150).for_each(|number| log.note(&from(number), start));
    });
    let addresses: std::collections::HashSet<_> =
        records.iter().filter_map(|record| record["address"].as_str()).collect();
    assert_eq!(addresses.len(), 150);
    assert_eq!(records.len(), 150 + PER_SECOND + 1);
}

#[test]
fn the_beginning_of_a_pause_is_written_in_whatever_flood_and_is_bounded_by_itself() {
    let begins = |number| Refusal { begun: Some("user"), ..from(number) };
    let records = written(|log| {
        let start = Instant::now();
        (0..1000).for_each(|number| log.note(&from(number), start));
        (0..30).for_each(|_| log.note(&begins(1000), start));
    });
    assert_eq!(count_of(&records, "address", "10.0.3.232"), PER_ADDRESS);
    assert_eq!(count_of(&records, "pause_begun", "user"), PER_ADDRESS, "one address does not take those of others");
    assert_eq!(suppressed(&records), [("role", (1000 + 30 - FIRSTS_PER_SECOND - PER_ADDRESS) as u64)]);
}

#[test]
fn a_flood_is_written_in_part_and_counted_in_whole() {
    let records = written(|log| {
        let start = Instant::now();
        (0..1000).for_each(|number| log.note(&from(number), start));
        (0..5).for_each(|number| log.note(&Refusal { reason: "limited", ..from(500 + number) }, start));
        log.flush(start + SECOND / 2);
        log.flush(start + SECOND);
        log.note(&refusal(), start + SECOND);
    });
    assert_eq!(records.len(), FIRSTS_PER_SECOND + 2 + 1, "some in full, one count for each reason, the next second");
    assert_eq!(suppressed(&records), [("limited", 5), ("role", (1000 - FIRSTS_PER_SECOND) as u64)]);
}

#[test]
fn a_count_that_is_not_written_yet_is_written_at_the_end() {
    let records = written(|log| {
        let start = Instant::now();
        (0..=PER_ADDRESS).for_each(|_| log.note(&refusal(), start));
    });
    assert_eq!(records.len(), PER_ADDRESS + 1);
    assert_eq!(suppressed(&records), [("role", 1)]);
}

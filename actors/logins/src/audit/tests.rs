//! What stands in the log, and what is counted instead.

use std::io::{self, Write};
use std::sync::Arc;

use super::*;

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that an audit log writes.
fn written(test: impl FnOnce(AuditLog)) -> Vec<String> {
    let lines = Output::default();
    let own = lines.clone();
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || own.clone()).finish();
    tracing::subscriber::with_default(log, || test(AuditLog::new("http")));
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn refusal<'a>() -> Refusal<'a> {
    Refusal { user: Some("till"), wanted: "/api/v1/ledger", reason: "role", ..Refusal::default() }
}

#[test]
fn a_refusal_is_one_line_that_says_who_what_where_and_why() {
    let address = Some([192, 0, 2, 1].into());
    let full = Refusal { address, trace: Some("4bf92f3577b34da6a3ce929d0e0e4736"), ..refusal() };
    let lines = written(|log| log.note(&full, Instant::now()));
    assert_eq!(lines.len(), 1);
    for field in [
        r#""target":"audit""#,
        r#""user.name":"till""#,
        r#""http.route":"/api/v1/ledger""#,
        r#""client.address":"192.0.2.1""#,
        r#""trace.id":"4bf92f3577b34da6a3ce929d0e0e4736""#,
        r#""reason":"role""#,
    ] {
        assert!(lines[0].contains(field), "{field} in {}", lines[0]);
    }
    assert!(!lines[0].contains("smf.") && !lines[0].contains("pause."));
}

#[test]
fn a_name_cannot_forge_a_line_or_a_field_and_cannot_fill_the_log() {
    let forged = "till\nERROR all sales are lost\u{1b}[2J\u{202e}\" reason=\"none";
    let endless = "x".repeat(1_000_000);
    let lines = written(|log| {
        log.note(&Refusal { user: Some(forged), ..refusal() }, Instant::now());
        log.note(&Refusal { user: Some(&endless), ..refusal() }, Instant::now());
    });
    assert_eq!(lines.len(), 2);
    assert!(!lines[0].chars().any(|sign| sign.is_control() || sign == '\u{202e}'), "{}", lines[0]);
    assert!(lines[0].contains(r#""reason":"role""#) && lines[1].len() < 500);
}

#[test]
fn no_name_makes_a_line_longer_than_the_bound_is_reckoned_with() {
    let (longest, widest) = ("\u{10ffff}".repeat(MAX_SHOWN + 1), "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse());
    let trace = Some("4bf92f3577b34da6a3ce929d0e0e4736");
    let refusal = Refusal { user: Some(&longest), address: widest.ok(), trace, ..refusal() };
    let lines = written(|log| log.note(&refusal, Instant::now()));
    let fields = lines[0].split_once(r#""user.name":"#).unwrap().1;
    assert!((700..1_000).contains(&fields.len()), "{} bytes", fields.len());
}

/// From an address of its own.
fn from(number: u16) -> Refusal<'static> {
    let [high, low] = number.to_be_bytes();
    Refusal { address: Some([10, 0, high, low].into()), ..refusal() }
}

fn count_of(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| line.contains(text)).count()
}

#[test]
fn a_flood_from_one_address_leaves_room_for_the_refusals_of_others() {
    let flood: [IpAddr; 2] = ["2001:db8:0:1::1".parse().unwrap(), "2001:db8:0:1::2".parse().unwrap()];
    let lines = written(|log| {
        let start = Instant::now();
        for address in flood.iter().cycle().take(1000) {
            log.note(&Refusal { address: Some(*address), ..refusal() }, start);
        }
        log.note(&from(1), start);
        log.note(&Refusal { address: None, ..refusal() }, start);
    });
    assert_eq!(count_of(&lines, "2001:db8:0:1::"), PER_ADDRESS, "all of a /64 is one address");
    assert_eq!(count_of(&lines, "10.0.0.1"), 1);
    assert_eq!(lines.len(), PER_ADDRESS + 2 + 1);
    assert!(lines[PER_ADDRESS + 2].contains(&format!(r#""refusals":{}"#, 1000 - PER_ADDRESS)));
}

#[test]
fn the_beginning_of_a_pause_is_written_in_whatever_flood_and_is_bounded_by_itself() {
    let begins = |number| Refusal { begun: Some("user"), ..from(number) };
    let lines = written(|log| {
        let start = Instant::now();
        (0..1000).for_each(|number| log.note(&from(number), start));
        (0..30).for_each(|_| log.note(&begins(1000), start));
        (0..1000).for_each(|number| log.note(&begins(number), start));
    });
    let beginnings = count_of(&lines, r#""pause.begun":"user""#);
    assert_eq!(beginnings, PER_SECOND);
    assert_eq!(count_of(&lines, "10.0.3.232"), PER_ADDRESS, "one address does not take the beginnings of others");
    assert_eq!(lines.len(), 2 * PER_SECOND + 1);
    assert!(lines[2 * PER_SECOND].contains(&format!(r#""refusals":{}"#, 2030 - 2 * PER_SECOND)));
}

#[test]
fn a_flood_is_written_in_part_and_counted_in_whole() {
    let lines = written(|log| {
        let start = Instant::now();
        (0..1000).for_each(|number| log.note(&from(number), start));
        (0..5).for_each(|number| log.note(&Refusal { reason: "limited", ..from(number) }, start));
        log.flush(start + SECOND / 2);
        log.flush(start + SECOND);
        log.note(&refusal(), start + SECOND);
    });
    assert_eq!(lines.len(), PER_SECOND + 2 + 1, "some in full, one count for each reason, the next second");
    assert!(lines[PER_SECOND].contains(r#""reason":"limited","refusals":5"#), "{}", lines[PER_SECOND]);
    assert!(lines[PER_SECOND + 1].contains(&format!(r#""refusals":{}"#, 1000 - PER_SECOND)));
}

#[test]
fn a_count_that_is_not_written_yet_is_written_at_the_end() {
    let lines = written(|log| {
        let start = Instant::now();
        (0..=PER_ADDRESS).for_each(|_| log.note(&refusal(), start));
    });
    assert_eq!(lines.len(), PER_ADDRESS + 1);
    assert!(lines[PER_ADDRESS].contains(r#""refusals":1"#));
}

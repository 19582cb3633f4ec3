//! Bodies that no till sends: whatever comes, there is an answer, it is bounded, and its codes are known.

use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::fixtures::{SampleBody, sample_time};
use crate::{AggregatedEvent, LateSale, Money, RULE_CODES, RejectedMessage, RuleError, Rules, Sale};

fn errors_of(body: &[u8]) -> Vec<RuleError> {
    Rules::default().check(body, sample_time(0)).err().unwrap_or_default()
}

/// Every parser of this crate looks at the bytes; every error that comes of it is complete.
fn survives(body: &[u8]) {
    let _ = Sale::from_payload(body);
    let _ = LateSale::from_json(body);
    let _ = RejectedMessage::from_json(body);
    let _ = Rules::default().till_of(body);
    let event_errors = AggregatedEvent::from_json(body).err().unwrap_or_default();
    for error in errors_of(body).iter().chain(&event_errors) {
        assert!(RULE_CODES.contains(&error.code), "unknown code {}", error.code);
        assert!(!error.message.is_empty() && error.message.len() < 200, "{}", error.message);
        let dotted = error.pointer.trim_start_matches('/').replace('/', ".");
        assert_eq!(error.path.replace('[', ".").replace(']', ""), dotted);
    }
}

#[test]
fn a_body_nested_a_million_deep_is_an_error_and_no_crash() {
    let deep = "[".repeat(500_000) + &"]".repeat(500_000);
    assert_eq!(errors_of(deep.as_bytes())[0].code, "body_not_object");
    assert_eq!(errors_of("[".repeat(1_000_000).as_bytes())[0].code, "body_not_json");
    let sample = SampleBody::default().to_json();
    let unknown = sample.replacen('{', &format!(r#"{{"x":{deep},"#), 1);
    let codes: Vec<_> = errors_of(unknown.as_bytes()).iter().map(|error| error.code).collect();
    assert_eq!(codes, ["too_deep"]);
    let known = sample.replacen(r#""quantity":2"#, &format!(r#""quantity":{deep}"#), 1);
    assert_eq!(errors_of(known.as_bytes())[0].code, "wrong_type");
}

#[test]
fn an_unknown_field_of_sane_depth_is_ignored_whatever_its_strings_hold() {
    let sample = SampleBody::default().to_json();
    let brackets = "[".repeat(500);
    let body = sample.replacen('{', &format!(r#"{{"note":{{"a":["{brackets}\"{brackets}",1e5,null]}},"#), 1);
    assert_eq!(errors_of(body.as_bytes()), []);
}

#[test]
fn a_field_that_is_there_twice_is_refused_once() {
    let twice = r#""store_id":"STORE_1","#.repeat(20_000);
    let body = SampleBody::default().to_json().replacen(r#""store_id":"STORE_1","#, &twice, 1);
    let errors = errors_of(body.as_bytes());
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].code, errors[0].path.as_str()), ("duplicate_key", "store_id"));
}

#[test]
fn a_field_that_hides_its_name_behind_escapes_is_the_same_field() {
    let body = SampleBody::default().to_json().replacen('{', r#"{"store\u005fid":"STORE_2","#, 1);
    assert_eq!(errors_of(body.as_bytes())[0].code, "duplicate_key");
}

#[test]
fn a_flood_of_bad_items_is_one_error() {
    let items = format!(r#"{{"items":[{}0]}}"#, "0,".repeat(400_000));
    let about_items = errors_of(items.as_bytes()).iter().filter(|error| error.path.starts_with("items")).count();
    assert_eq!(about_items, 1);
}

#[test]
fn what_is_no_text_is_refused_and_not_repaired() {
    let sample = SampleBody::default().to_json();
    assert_eq!(errors_of(&[sample.as_bytes(), b" {}"].concat())[0].code, "body_not_json");
    assert_eq!(errors_of(&sample.replace("Bio", "\u{1}").into_bytes())[0].code, "body_not_json");
    assert_eq!(errors_of(&[b"\xff", sample.as_bytes()].concat())[0].code, "body_not_utf8");
    assert_eq!(errors_of(&[b"\xef\xbb\xbf", sample.as_bytes()].concat())[0].code, "body_not_json");
    let half = errors_of(sample.replacen("Bio", r"\ud800", 1).as_bytes());
    assert_eq!((half[0].code, half[0].path.as_str()), ("text_invalid", "items[0].name"));
    let half_key = errors_of(sample.replacen('{', r#"{"\udc00":1,"#, 1).as_bytes());
    assert_eq!(half_key[0].code, "text_invalid");
}

#[test]
fn control_characters_of_a_till_do_not_reach_a_log_line() {
    let body = SampleBody::default().to_json().replacen(r#""cash""#, r#""a\nb\u001b[31m""#, 1);
    let errors = errors_of(body.as_bytes());
    assert_eq!(errors[0].message, "Invalid payment method: a\u{fffd}b\u{fffd}[31m");
}

/// Pieces that hurt where a value, a key or a bracket is expected.
const FRAGMENTS: &[&str] = &[
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "NaN",
    "-",
    "-0",
    "1e400",
    "0.001",
    "99999999999999999999",
    "\\",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\ud800",
    "\u{0}",
    "\u{2028}",
    "STORE_",
    "\"items\":[",
    "2024-13-99T99:99:99Z",
    "+00:00",
];

proptest! {
    #[test]
    fn no_bytes_at_all_stop_the_parsers(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        survives(&body);
    }

    #[test]
    fn no_change_of_a_valid_body_stops_the_parsers(
        at in any::<prop::sample::Index>(),
        cut in 0_usize..12,
        fragment in prop::sample::select(FRAGMENTS),
        payload in any::<bool>(),
    ) {
        let sample = SampleBody::default();
        let body = if payload { sample.payload() } else { sample.to_json().into_bytes() };
        let start = at.index(body.len());
        let end = (start + cut).min(body.len());
        survives(&[&body[..start], fragment.as_bytes(), &body[end..]].concat());
    }

    #[test]
    fn no_single_byte_of_a_valid_body_stops_the_parsers(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = SampleBody::default().to_json().into_bytes();
        let start = at.index(body.len());
        body[start] = byte;
        survives(&body);
    }

    #[test]
    fn a_line_adds_up_exactly_when_decimals_say_so(
        quantity in 1_u32..900,
        price in 1_i64..100_000,
        off in -600_i64..600,
    ) {
        let total = i64::from(quantity) * price + off;
        prop_assume!(total > 0);
        let difference = (Decimal::from(quantity) * Decimal::new(price, 2) - Decimal::new(total, 2)).abs();
        let expected = difference <= Decimal::from(quantity) * Decimal::new(5, 3);
        let (price, total) = (Money::from_cents(price), Money::from_cents(total));
        let right = r#""quantity":2,"price_per_unit":1.29,"total_price":2.58"#;
        let line = format!(r#""quantity":{quantity},"price_per_unit":{price},"total_price":{total}"#);
        let body = SampleBody::default().to_json().replacen(right, &line, 1);

        let errors = errors_of(body.as_bytes());

        prop_assert_eq!(errors.is_empty(), expected, "{:?}", errors);
    }
}

//! What users suffered from the system before this one, as far as the rules can spare them.
//! Named after their pain; the defect's number is in the comment.

use crate::fixtures::{SampleBody, sample_time};
use crate::{Checked, Money, PaymentStatus, RuleError, Rules, TopicKind, TopicPrefix, Topics, store_queue};

/// Checks a body at the sample's own time.
fn check(body: &str) -> Result<Checked, Vec<RuleError>> {
    Rules::default().check(body.as_bytes(), sample_time(0))
}

/// The sample with one piece of its text replaced.
fn sample_with(old: &str, new: &str) -> String {
    let sample = SampleBody::default().to_json();
    assert!(sample.contains(old), "`{old}` is not in the sample");
    sample.replacen(old, new, 1)
}

/// Path and code of every error of the sample with one piece replaced.
fn errors_with(old: &str, new: &str) -> Vec<(String, &'static str)> {
    let errors = check(&sample_with(old, new)).expect_err("the body is refused");
    errors.into_iter().map(|error| (error.path, error.code)).collect()
}

fn one(path: &str, code: &'static str) -> Vec<(String, &'static str)> {
    vec![(path.to_owned(), code)]
}

const TIMESTAMP: &str = r#""timestamp":"2024-11-15T10:00:00Z""#;

#[test]
fn a_right_sale_is_taken_as_it_is() {
    let checked = check(&SampleBody::default().to_json()).unwrap();

    assert_eq!(checked.corrections, []);
    assert_eq!(checked.transaction.total_amount, Money::from_cents(757));
    assert_eq!(checked.transaction.items.len(), 2);
    assert!(checked.transaction.is_paid());
}

// D1
#[test]
fn a_time_that_is_none_is_refused_before_it_can_stop_aggregation() {
    for bad in ["yesterday", "", "2024-11-15T10:00:00", "2024-11-15", "2024-11-15 10:00:00Z", "2024-02-30T10:00:00Z"] {
        let body = format!(r#""timestamp":"{bad}""#);
        assert_eq!(errors_with(TIMESTAMP, &body), one("timestamp", "timestamp_invalid"), "{bad}");
    }
    assert_eq!(errors_with("1.29", "Infinity"), one("", "body_not_json"));
    assert_eq!(errors_with("1.29", "1e999"), one("items[0].price_per_unit", "money_not_plain"));
}

// D1
#[test]
fn every_offset_becomes_one_utc_time() {
    for same in ["2024-11-15T11:00:00+01:00", "2024-11-15t10:00:00z", "2024-11-15T10:00:00.000-00:00"] {
        let checked = check(&sample_with(TIMESTAMP, &format!(r#""timestamp":"{same}""#))).unwrap();
        assert_eq!(checked.transaction.timestamp, sample_time(0), "{same}");
    }
}

// D10
#[test]
fn a_store_written_as_documented_gets_its_turnover() {
    let topics = Topics::new(TopicPrefix::default(), true);
    let checked = check(&sample_with("STORE_1", "STORE_01")).unwrap();
    let plain = check(&SampleBody::default().to_json()).unwrap();

    assert_eq!(checked, plain);
    let store = checked.transaction.store_id;
    assert_eq!(topics.store_aggregations(store), "sale/pos/transaction/aggregations/STORE_1/>");
    assert_eq!(store_queue(store.number()), "sale_pos_transaction_aggregations_store1.q");
}

// D10
#[test]
fn a_store_that_no_queue_serves_is_refused() {
    for bad in
        ["STORE_0", "STORE_11", "STORE_\u{0663}", "STORE_+1", "STORE_", "store_1", "STORE_1 ", "STORE_99999999999"]
    {
        assert_eq!(errors_with("STORE_1", bad), one("store_id", "store_invalid"), "{bad}");
    }
    for bad in ["CASHIER_0", "CASHIER_9", "CASHIER_-1", "2"] {
        assert_eq!(errors_with("CASHIER_2", bad), one("cashier_id", "cashier_invalid"), "{bad}");
    }
}

// D11
#[test]
fn a_sale_from_the_future_is_refused_and_says_that_this_is_all() {
    let at = |milliseconds| SampleBody { timestamp: sample_time(milliseconds), ..SampleBody::default() }.to_json();

    check(&at(60_000)).unwrap();
    let errors = check(&at(60_001)).unwrap_err();

    assert!(RuleError::only_in_future(&errors), "{errors:?}");
    assert_eq!(errors[0].pointer, "/timestamp");
    let more = check(&at(60_001).replace("CASHIER_2", "CASHIER_9")).unwrap_err();
    assert_eq!(more.len(), 2);
    assert!(!RuleError::only_in_future(&more));
}

#[test]
fn a_year_without_tills_is_not_taken_for_our_clock() {
    for (year, code) in
        [("1999", "timestamp_out_of_range"), ("2201", "timestamp_out_of_range"), ("2200", "timestamp_in_future")]
    {
        let late = format!(r#""timestamp":"{year}-06-15T10:00:00Z""#);
        assert_eq!(errors_with(TIMESTAMP, &late), one("timestamp", code), "{year}");
    }
}

// D12
#[test]
fn a_failed_payment_is_recorded_and_no_turnover() {
    let failed = SampleBody { status: "failed", ..SampleBody::default() };
    let checked = check(&failed.to_json()).unwrap();
    let topics = Topics::new(TopicPrefix::default(), true);

    assert_eq!(checked.transaction.payment_status, PaymentStatus::Failed);
    let topic = topics.transaction(&checked.transaction);
    assert_eq!(topics.kind_of(&topic), TopicKind::Failed);
    assert_eq!(topic, format!("sale/pos/transaction/failed/STORE_1/{}", failed.id));
}

// D12
#[test]
fn an_unknown_status_is_refused_by_name() {
    let errors = check(&sample_with(r#""success""#, r#""failure""#)).unwrap_err();

    assert_eq!(errors[0].message, "Invalid payment status: failure");
    let long = check(&sample_with(r#""success""#, &format!("{:?}", "x".repeat(5_000)))).unwrap_err();
    assert!(long[0].message.len() < 80, "the input is not echoed in full");
}

// D13
#[test]
fn a_sale_of_nothing_is_refused() {
    let sample = SampleBody { lines: vec![], total: Some(Money::from_cents(757)), ..SampleBody::default() };
    let errors = check(&sample.to_json()).unwrap_err();

    assert_eq!((errors.len(), errors[0].code, errors[0].path.as_str()), (1, "items_empty", "items"));
}

// D13
#[test]
fn a_line_cannot_raise_the_total_above_its_price() {
    let line_total = r#""total_price":2.58"#;
    assert_eq!(errors_with(line_total, r#""total_price":100"#), one("items[0].total_price", "line_total_mismatch"));
    assert_eq!(errors_with(line_total, r#""total_price":2.60"#), one("items[0].total_price", "line_total_mismatch"));
    let rounded = check(&sample_with(line_total, r#""total_price":2.59"#)).unwrap();
    assert_eq!(rounded.transaction.total_amount, Money::from_cents(758), "a weighed piece may be half a cent off");
}

// D13
#[test]
fn a_wrong_total_is_corrected_in_the_receipt_too_and_said() {
    let wrong = SampleBody { total: Some(Money::from_cents(1)), ..SampleBody::default() };
    let checked = check(&wrong.to_json()).unwrap();

    assert_eq!(checked.transaction.total_amount, Money::from_cents(757));
    assert_eq!(checked.transaction.receipt.total_amount, Money::from_cents(757));
    let said: Vec<_> =
        checked.corrections.iter().map(|one| (one.field, one.sent.cents(), one.recorded.cents())).collect();
    assert_eq!(said, [("total_amount", 1, 757), ("receipt.total_amount", 1, 757)]);
}

#[test]
fn lines_that_add_up_to_more_than_an_amount_are_refused() {
    let body = SampleBody {
        lines: vec![(1, 99_999_999_999), (1, 1)],
        total: Some(Money::from_cents(1)),
        ..SampleBody::default()
    };
    let errors = check(&body.to_json()).unwrap_err();

    assert_eq!((errors.len(), errors[0].code), (1, "sum_too_large"));
}

#[test]
fn five_hundred_items_pass_and_one_more_is_one_error() {
    let of = |count| SampleBody { lines: vec![(1, 100); count], ..SampleBody::default() }.to_json();

    check(&of(500)).unwrap();
    let errors = check(&of(501)).unwrap_err();
    assert_eq!((errors.len(), errors[0].code), (1, "items_too_many"));
}

// D15
#[test]
fn a_customer_cannot_write_topic_levels_of_their_own() {
    let long = "x".repeat(49);
    for bad in ["a/b/c", "", ">", "*", "a b", "\u{e4}", "#P2P", &long] {
        let customer = format!("{bad:?}");
        assert_eq!(errors_with(r#""CUSTOMER_9""#, &customer), one("customer_id", "identifier_invalid"), "{bad}");
        assert_eq!(errors_with(r#""r-4711""#, &customer), one("receipt.receipt_id", "identifier_invalid"), "{bad}");
    }
    check(&sample_with("CUSTOMER_9", &"x".repeat(48))).unwrap();
}

// D16
#[test]
fn no_cent_is_lost_to_binary_fractions() {
    let thirds = SampleBody { lines: vec![(1, 10), (1, 20), (3, 110)], ..SampleBody::default() };
    let checked = check(&thirds.to_json()).unwrap();

    assert_eq!(checked.corrections, [], "0.1 + 0.2 + 3.3 is 3.6");
    assert_eq!(checked.transaction.total_amount.to_string(), "3.60");
    assert_eq!(errors_with("1.29", "2.675"), one("items[0].price_per_unit", "money_too_precise"));
    check(&sample_with(r#""total_amount":7.57"#, r#""total_amount":7.5700000"#)).unwrap();
}

// D16
#[test]
fn a_number_that_is_no_amount_is_refused() {
    let total = r#""total_amount":7.57,"payment_method""#;
    let with = |number: &str| errors_with(total, &format!(r#""total_amount":{number},"payment_method""#));
    assert_eq!(with("NaN"), one("", "body_not_json"));
    assert_eq!(with("-Infinity"), one("", "body_not_json"));
    assert_eq!(with("01.5"), one("", "body_not_json"));
    assert_eq!(with("7.5e1"), one("total_amount", "money_not_plain"));
    assert_eq!(with("0"), one("total_amount", "money_not_positive"));
    assert_eq!(with("-7.57"), one("total_amount", "money_not_positive"));
    assert_eq!(with("1000000000"), one("total_amount", "money_too_large"));
    assert_eq!(with(r#""7.57""#), one("total_amount", "wrong_type"));
    assert_eq!(with("true"), one("total_amount", "wrong_type"));
    assert_eq!(with("null"), one("total_amount", "field_null"));
}

// D17
#[test]
fn an_ordinary_mistake_is_named_and_is_no_server_error() {
    assert_eq!(errors_with(r#""store_id":"STORE_1","#, ""), one("store_id", "field_missing"));
    assert_eq!(errors_with(r#""cashier_id":"CASHIER_2""#, r#""cashier_id":null"#), one("cashier_id", "field_null"));
    assert_eq!(errors_with(r#""store_id":"STORE_1""#, r#""store_id":5"#), one("store_id", "wrong_type"));
    assert_eq!(errors_with(r#""quantity":2,"#, ""), one("items[0].quantity", "field_missing"));
    assert_eq!(errors_with(r#""quantity":2"#, r#""quantity":2.0"#), one("items[0].quantity", "integer_not_whole"));
    assert_eq!(errors_with(r#""quantity":2"#, r#""quantity":0"#), one("items[0].quantity", "integer_too_small"));
    assert_eq!(
        errors_with(r#""loyalty_points_earned":3"#, r#""loyalty_points_earned":-5"#),
        one("loyalty_points_earned", "integer_too_small")
    );
    assert_eq!(errors_with(r#""items":["#, r#""items":{},"x":["#), one("items", "wrong_type"));
    for (body, code) in
        [("[]", "body_not_object"), (r#""x""#, "body_not_object"), ("", "body_not_json"), ("a=b", "body_not_json")]
    {
        let errors = check(body).unwrap_err();
        assert_eq!((errors.len(), errors[0].code, errors[0].path.as_str()), (1, code, ""), "{body}");
    }
}

// D17
#[test]
fn all_mistakes_of_a_body_are_said_at_once() {
    let errors = check(r#"{"items":[{},{"quantity":-1}],"receipt":{}}"#).unwrap_err();

    let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(errors.len(), 9 + 5 + 5 + 5, "{pointers:?}");
    assert!(pointers.contains(&"/items/1/quantity"));
    assert!(pointers.contains(&"/receipt/receipt_id"));
}

#[test]
fn the_till_of_a_refused_body_is_known_for_the_clock_rule() {
    let body = SampleBody { timestamp: sample_time(999_000), ..SampleBody::default() }.to_json();

    let till = Rules::default().till_of(body.as_bytes()).unwrap();

    assert_eq!((till.store.number(), till.cashier.number()), (1, 2));
    assert_eq!(Rules::default().till_of(b"[]"), None);
}

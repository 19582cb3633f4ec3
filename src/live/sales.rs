//! What reporting says of sales, as pages read it: money as text with two decimals, windows by their start.
//! Does not add anything up.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use tillstream_domain::{Money, Tally};
use tillstream_messages::{Balance, LiveReport, LiveStore, LiveWindow, StoreLedger};

/// A time as keys and values of the model have it: in whole seconds where it is one, else in milliseconds.
pub fn time(at: DateTime<Utc>) -> String {
    let format = if at.timestamp_subsec_millis() == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    at.to_rfc3339_opts(format, true)
}

/// The part of the model that is about sales.
pub fn sales(report: &LiveReport, per_second: Option<f64>) -> Map<String, Value> {
    let stores: Map<_, _> = report.stores.iter().map(|of| (of.store.to_string(), store(of))).collect();
    let sales = json!({
        "company": company(report, per_second),
        "stores_total": report.stores_total,
        "stores": stores,
        "ledger": balance(&report.balance),
    });
    if let Value::Object(sales) = sales { sales } else { Map::new() }
}

/// One store by itself.
pub fn store_document(of: &LiveStore) -> Value {
    let mut document = store(of);
    document["store_id"] = of.store.to_string().into();
    document
}

/// One store.
fn store(of: &LiveStore) -> Value {
    json!({
        "accepted": of.accepted.amount.to_string(),
        "accepted_count": of.accepted.count,
        "turnover": of.turnover.amount.to_string(),
        "turnover_count": of.turnover.count,
        "last_minute": of.last_minute.amount.to_string(),
        "last_minute_count": of.last_minute.count,
        "late": of.late.amount.to_string(),
        "late_count": of.late.count,
        "failed": of.failed,
        "windows": windows(&of.windows),
        "windows_since": of.windows_since.and_then(start),
        "filling": filling(&of.filling),
        "ledger": ledger(&of.ledger),
    })
}

/// Windows by their start.
fn windows(windows: &[LiveWindow]) -> Value {
    let of = |window: &LiveWindow| {
        let document = json!({
            "amount": window.sales.amount.to_string(),
            "count": window.sales.count,
            "final": window.is_final || !window.has_event,
            "revision": window.revision,
            "late": window.late.amount.to_string(),
            "late_count": window.late.count,
        });
        Some((start(window.start)?, document))
    };
    Value::Object(windows.iter().filter_map(of).collect())
}

fn company(report: &LiveReport, per_second: Option<f64>) -> Value {
    let windows = report.windows.iter().filter_map(|window| {
        let document = json!({
            "amount": window.sales.amount.to_string(),
            "count": window.sales.count,
            "late": window.late.amount.to_string(),
            "late_count": window.late.count,
            "stores": window.stores,
            "final_stores": window.final_stores,
        });
        Some((start(window.start)?, document))
    });
    json!({
        "accepted": report.accepted.amount.to_string(),
        "accepted_count": report.accepted.count,
        "turnover": report.turnover.amount.to_string(),
        "turnover_count": report.turnover.count,
        "last_minute": report.last_minute.amount.to_string(),
        "last_minute_count": report.last_minute.count,
        "sales_per_second": per_second,
        "windows": windows.collect::<Map<_, _>>(),
        "windows_since": report.windows_since.and_then(start),
        "filling": filling(&report.filling),
    })
}

fn filling(windows: &[(i64, Tally)]) -> Value {
    let of = |(at, sales): &(i64, Tally)| {
        Some((start(*at)?, json!({"amount": sales.amount.to_string(), "count": sales.count})))
    };
    Value::Object(windows.iter().filter_map(of).collect())
}

fn ledger(line: &StoreLedger) -> Value {
    let side = |(count, amount): (u64, Money)| json!({"count": count, "amount": amount.to_string()});
    json!({
        "accepted": side(line.accepted),
        "in_windows": side(line.in_windows),
        "late": side(line.late),
        "rejected": side(line.rejected),
        "open": side(line.open),
        "imbalance": {
            "count": line.imbalance_count,
            "amount": Money::from_cents(line.imbalance_cents).to_string(),
        },
    })
}

fn balance(balance: &Balance) -> Value {
    let cents = i64::try_from(balance.off_cents).unwrap_or(i64::MAX);
    json!({
        "balanced": balance.stores_off == 0,
        "stores_off": balance.stores_off,
        "imbalance": {"count": balance.off_count, "amount": Money::from_cents(cents).to_string()},
        "open": {"count": balance.open.count, "amount": balance.open.amount.to_string()},
        "poison": balance.poison,
    })
}

fn start(micros: i64) -> Option<String> {
    DateTime::from_timestamp_micros(micros).map(time)
}

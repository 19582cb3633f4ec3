//! Reads what is to be broken: kind and times, every mistake at once.
//! Does not break it.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Map, Value};
use tillstream_domain::RuleError;

use crate::faults::{ActorFault, ActorKind, EnvironmentFault, EnvironmentKind};

/// Times that a condition may last, in seconds.
const LASTS: std::ops::RangeInclusive<f64> = 0.1..=300.0;
/// A day either way.
const SHIFTS: std::ops::RangeInclusive<f64> = -86_400.0..=86_400.0;
/// Of the environment, unless it is said.
const DEFAULT_LASTS: Duration = Duration::from_secs(2);
/// Of the clock, unless it is said.
const DEFAULT_HOLD: Duration = Duration::from_secs(5);

/// How an actor is to fail; for the document only.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActorOrder {
    /// `panic` before its next message, `panic_after` its next one, `stop`, `hang` in a future that never ends, or
    /// `block` its thread.
    #[schema(pattern = "^(panic|panic_after|stop|hang|block)$", example = "panic")]
    kind: String,
    /// How long a `block` blocks (default 3) and `panic_after` waits for a message (default 10); once it took effect,
    /// the recovery has 30 s of its own.
    #[schema(minimum = 0.1, maximum = 300.0, required = false)]
    seconds: Option<f64>,
}

/// What is to go wrong around the actors; for the document only.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentOrder {
    /// `lose_sale`, `double_sale` and `misprice_sale` miscount the next sale: they prove that the ledger sees it.
    #[schema(
        pattern = "^(broker_stall|drop_acks|clock|disk_full|disk_readonly|lose_sale|double_sale|misprice_sale)$",
        example = "broker_stall"
    )]
    kind: String,
    /// How long (default 2; for a miscounted sale: how long to wait for one). For `clock` it is the shift, required,
    /// and may be negative.
    #[schema(minimum = -86_400.0, maximum = 86_400.0, required = false)]
    seconds: Option<f64>,
    /// How long the clock stays wrong (default 5).
    #[schema(minimum = 0.1, maximum = 300.0, required = false)]
    hold_seconds: Option<f64>,
}

/// The body of a fault on an actor.
///
/// # Errors
/// Everything that is wrong with it.
pub fn actor_fault(body: &[u8]) -> Result<ActorFault, Vec<RuleError>> {
    let mut order = Order::read(body, &["kind", "seconds"])?;
    let kind = order.kind(&ActorKind::ALL, ActorKind::name);
    let seconds = order.duration("seconds");
    order.finish(kind.map(|kind| ActorFault { kind, seconds }))
}

/// The body of a fault of the environment.
///
/// # Errors
/// Everything that is wrong with it.
pub fn environment_fault(body: &[u8]) -> Result<EnvironmentFault, Vec<RuleError>> {
    let mut order = Order::read(body, &["kind", "seconds", "hold_seconds"])?;
    let kind = order.kind(&EnvironmentKind::ALL, EnvironmentKind::name);
    let hold = order.duration("hold_seconds").unwrap_or(DEFAULT_HOLD);
    let fault = match kind {
        Some(EnvironmentKind::Clock) => order.shift().map(|shift| (shift, hold)),
        _ => Some((TimeDelta::zero(), order.duration("seconds").unwrap_or(DEFAULT_LASTS))),
    };
    let fault = kind.zip(fault).map(|(kind, (shift, lasts))| EnvironmentFault { kind, lasts, shift });
    order.finish(fault)
}

/// A body under inspection.
struct Order {
    fields: Map<String, Value>,
    errors: Vec<RuleError>,
}

// === impl Order ===

impl Order {
    fn read(body: &[u8], known: &[&str]) -> Result<Self, Vec<RuleError>> {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
            return Err(vec![mistake("", "not_an_object", "must be a JSON object")]);
        };
        let unknown = fields.keys().filter(|name| !known.contains(&name.as_str()));
        let advice = format!("is unknown; known are {}", known.join(", "));
        let errors = unknown.map(|name| mistake(name, "field_unknown", &advice)).collect();
        Ok(Self { fields, errors })
    }

    fn kind<K: Copy>(&mut self, all: &[K], name: impl Fn(K) -> &'static str) -> Option<K> {
        let given = self.fields.get("kind").and_then(Value::as_str);
        let found = all.iter().copied().find(|kind| given == Some(name(*kind)));
        if found.is_none() {
            let names: Vec<_> = all.iter().map(|kind| name(*kind)).collect();
            self.errors.push(mistake("kind", "kind_unknown", &format!("must be one of {}", names.join(", "))));
        }
        found
    }

    fn duration(&mut self, field: &str) -> Option<Duration> {
        let seconds = self.number(field, &LASTS)?;
        Some(Duration::from_secs_f64(seconds))
    }

    fn shift(&mut self) -> Option<TimeDelta> {
        if !self.fields.contains_key("seconds") {
            self.errors.push(mistake("seconds", "field_missing", "must say by how much the clock is put wrong"));
        }
        let seconds = self.number("seconds", &SHIFTS)?;
        #[expect(clippy::cast_possible_truncation, reason = "a day of milliseconds fits")]
        let milliseconds = (seconds * 1_000.0).round() as i64;
        Some(TimeDelta::milliseconds(milliseconds))
    }

    /// A number within the range; `None` when it is absent or wrong, which is then said.
    fn number(&mut self, field: &str, range: &std::ops::RangeInclusive<f64>) -> Option<f64> {
        let value = self.fields.get(field)?;
        let number = value.as_f64().filter(|number| range.contains(number));
        if number.is_none() {
            let advice = format!("must be a number from {} to {}", range.start(), range.end());
            self.errors.push(mistake(field, "out_of_range", &advice));
        }
        number
    }

    fn finish<T>(self, read: Option<T>) -> Result<T, Vec<RuleError>> {
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            _ => Err(self.errors),
        }
    }
}

fn mistake(field: &str, code: &'static str, message: &str) -> RuleError {
    let pointer =
        if field.is_empty() { String::new() } else { format!("/{}", field.replace('~', "~0").replace('/', "~1")) };
    RuleError { path: field.to_owned(), pointer, code, message: message.to_owned().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes<T>(read: Result<T, Vec<RuleError>>) -> Vec<(String, &'static str)> {
        read.err().unwrap_or_default().into_iter().map(|error| (error.path, error.code)).collect()
    }

    #[test]
    fn every_kind_is_read_by_its_name() {
        for kind in ActorKind::ALL {
            let body = format!(r#"{{"kind":"{}","seconds":0.5}}"#, kind.name());
            let fault = actor_fault(body.as_bytes()).unwrap();
            assert_eq!((fault.kind, fault.seconds), (kind, Some(Duration::from_millis(500))));
        }
        for kind in EnvironmentKind::ALL {
            let body = format!(r#"{{"kind":"{}","seconds":3}}"#, kind.name());
            assert_eq!(environment_fault(body.as_bytes()).unwrap().kind, kind);
        }
    }

    #[test]
    fn the_clock_may_go_back_and_is_held() {
        let fault = environment_fault(br#"{"kind":"clock","seconds":-90.5,"hold_seconds":1.5}"#).unwrap();
        assert_eq!((fault.shift, fault.lasts), (TimeDelta::milliseconds(-90_500), Duration::from_millis(1_500)));
        let fault = environment_fault(br#"{"kind":"clock","seconds":1}"#).unwrap();
        assert_eq!(fault.lasts, DEFAULT_HOLD);
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let read = environment_fault(br#"{"kind":"fire","seconds":0,"hold_seconds":"long","a/b":1}"#);
        let named = [
            ("a/b", "field_unknown"),
            ("kind", "kind_unknown"),
            ("hold_seconds", "out_of_range"),
            ("seconds", "out_of_range"),
        ];
        assert_eq!(codes(read), named.map(|(path, code)| (path.to_owned(), code)));
        for body in ["", "[]", "{", "7"] {
            assert_eq!(codes(actor_fault(body.as_bytes())), [(String::new(), "not_an_object")]);
        }
        for body in [
            r#"{}"#,
            r#"{"kind":1}"#,
            r#"{"kind":"panic","seconds":300.1}"#,
            r#"{"kind":"panic","seconds":-1}"#,
            r#"{"kind":"panic","seconds":null}"#,
        ] {
            assert!(actor_fault(body.as_bytes()).is_err(), "{body}");
        }
        assert!(environment_fault(br#"{"kind":"clock"}"#).is_err());
    }
}

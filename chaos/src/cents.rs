//! Money as this crate counts it: whole cents, read from JSON text and written with two decimals.
//! Shares nothing with the service's own money on purpose: a mistake there must not repeat itself here.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// An amount, which may be negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, whole) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        f.pad(&format!("{sign}{}.{:02}", whole / 100, whole % 100))
    }
}

impl<'de> Deserialize<'de> for Cents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        read(text.get()).ok_or_else(|| D::Error::custom(format!("`{}` is no amount with two decimals", text.get())))
    }
}

/// Strict on purpose: the service promises exactly two decimals.
fn read(text: &str) -> Option<Cents> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.')?;
    let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) || fraction.len() != 2 {
        return None;
    }
    let cents = whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(fraction.parse().ok()?)?;
    Some(Cents(sign * cents))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_amount_is_read_as_it_was_written(cents in -10_i64.pow(15)..10_i64.pow(15)) {
            let text = Cents(cents).to_string();
            prop_assert_eq!(serde_json::from_str::<Cents>(&text).unwrap(), Cents(cents));
        }
    }

    #[test]
    fn anything_but_two_decimals_is_refused() {
        for text in ["1", "1.2", "1.234", "1e2", "\"1.20\"", "null", ".50", "1.", "99999999999999999999.00"] {
            assert!(serde_json::from_str::<Cents>(text).is_err(), "{text}");
        }
    }
}

//! Money as a whole number of cents.
//! Does not know a currency and never passes through a float: text goes in, text or a decimal comes out.

use std::fmt;
use std::iter::Sum;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Amounts in a transaction are below this many cents (10^9 currency units).
pub(crate) const LIMIT_CENTS: i64 = 100_000_000_000;

/// Sums of amounts are below this many cents (10^15 currency units); only the schema needs to say so in cents.
#[cfg(feature = "openapi")]
pub(crate) const LIMIT_SUM_CENTS: i64 = 100_000_000_000_000_000;

/// Digits before the point of an amount below 10^9.
const AMOUNT_DIGITS: usize = 9;

/// Digits before the point of a sum below 10^15.
const SUM_DIGITS: usize = 15;

/// An amount of money in cents; sums of sales may pass the limit of a single amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// Not a plain decimal number (an exponent, `NaN`, an infinity, letters, nothing at all).
    #[error("must be a plain decimal number such as 2.58")]
    NotPlain,
    /// Zero or less.
    #[error("must be positive")]
    NotPositive,
    /// 10^9 or more.
    #[error("must be below 1000000000")]
    TooLarge,
    /// A sum of amounts of 10^15 or more.
    #[error("must be below 1000000000000000")]
    SumTooLarge,
    /// More than two significant decimals.
    #[error("must have at most two decimals")]
    TooPrecise,
}

impl Money {
    /// No money at all; the total of an empty window.
    pub const ZERO: Self = Self(0);

    /// Wraps a number of cents.
    pub const fn from_cents(cents: i64) -> Self {
        Self(cents)
    }

    /// The amount in cents.
    pub const fn cents(self) -> i64 {
        self.0
    }

    /// The amount as a decimal with two places.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, 2)
    }

    /// Adds two amounts; `None` where the sum does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Reads the text of a JSON number: positive, below 10^9, at most two significant decimals, no exponent.
    ///
    /// # Errors
    /// Says which of these rules the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidMoney> {
        parse_below(text, AMOUNT_DIGITS, InvalidMoney::TooLarge)
    }

    /// Reads a sum of amounts: as [`Self::parse`], but below 10^15.
    ///
    /// # Errors
    /// Says which of these rules the text breaks.
    pub fn parse_sum(text: &str) -> Result<Self, InvalidMoney> {
        parse_below(text, SUM_DIGITS, InvalidMoney::SumTooLarge)
    }
}

/// Reads digits one by one: no float, and no decimal type whose scale an input could choose.
fn parse_below(text: &str, whole_digits: usize, too_large: InvalidMoney) -> Result<Money, InvalidMoney> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(InvalidMoney::NotPlain);
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let zero = whole.is_empty() && fraction.is_empty();
    if zero || unsigned.len() != text.len() {
        return Err(InvalidMoney::NotPositive);
    }
    if whole.len() > whole_digits {
        return Err(too_large);
    }
    if fraction.len() > 2 {
        return Err(InvalidMoney::TooPrecise);
    }
    let number = |part: &str| part.bytes().fold(0_i64, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    let tenths_only = fraction.len() == 1;
    Ok(Money(number(whole) * 100 + number(fraction) * if tenths_only { 10 } else { 1 }))
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.map(|amount| amount.0).sum())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_amount_is_refused_for_the_rule_that_it_breaks() {
        let cases = [
            ("", InvalidMoney::NotPlain),
            ("-", InvalidMoney::NotPlain),
            ("1.", InvalidMoney::NotPlain),
            (".5", InvalidMoney::NotPlain),
            ("1e2", InvalidMoney::NotPlain),
            ("+1", InvalidMoney::NotPlain),
            ("NaN", InvalidMoney::NotPlain),
            ("\u{0661}", InvalidMoney::NotPlain),
            ("0.00", InvalidMoney::NotPositive),
            ("-0.01", InvalidMoney::NotPositive),
            ("1000000000", InvalidMoney::TooLarge),
            ("0.001", InvalidMoney::TooPrecise),
        ];
        for (text, error) in cases {
            assert_eq!(Money::parse(text), Err(error), "{text}");
        }
        assert_eq!(Money::parse("999999999.99"), Ok(Money::from_cents(99_999_999_999)));
        assert_eq!(Money::parse_sum("999999999999999.99"), Ok(Money::from_cents(99_999_999_999_999_999)));
        assert_eq!(Money::parse_sum("1000000000000000"), Err(InvalidMoney::SumTooLarge));
    }

    proptest! {
        #[test]
        fn an_amount_survives_print_and_parse(cents in 1_i64..LIMIT_CENTS) {
            let amount = Money::from_cents(cents);
            prop_assert_eq!(Money::parse(&amount.to_string()), Ok(amount));
            prop_assert_eq!(amount.to_decimal().to_string(), amount.to_string());
        }

        #[test]
        fn any_number_of_cents_prints_like_a_decimal(cents in any::<i64>()) {
            prop_assert_eq!(Money::from_cents(cents).to_string(), Money::from_cents(cents).to_decimal().to_string());
        }

        #[test]
        fn the_parser_agrees_with_decimals(text in "-?(0|[1-9][0-9]{0,10})(\\.[0-9]{1,5})?") {
            let decimal: Decimal = text.parse().unwrap();
            let in_range = decimal > Decimal::ZERO && decimal < Decimal::from(1_000_000_000);
            let fits = in_range && decimal.normalize().scale() <= 2;
            match Money::parse(&text) {
                Ok(amount) => prop_assert!(fits && amount.to_decimal() == decimal, "{text} read as {amount}"),
                Err(error) => prop_assert!(!fits, "{text}: {error}"),
            }
        }

        #[test]
        fn what_is_no_number_is_no_amount(text in any::<String>()) {
            prop_assert!(Money::parse(&text).is_err() || text.parse::<Decimal>().is_ok());
        }
    }
}

//! Reads one field of each kind and collects everything that is wrong with it.
//! Does not stop at the first error: a till's developer wants all of them at once.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{Field, Place};
use crate::{InvalidMoney, Money, RuleCode, RuleError};

/// A value in an error message is cut after this many characters.
const ECHO_CHARS: usize = 32;

/// The errors of one document.
#[derive(Debug, Default)]
pub(crate) struct Report {
    errors: Vec<RuleError>,
}

impl Report {
    /// Notes one broken rule.
    pub(crate) fn add(&mut self, place: &Place<'_>, code: RuleCode, message: impl Into<Cow<'static, str>>) {
        let (path, pointer) = (place.path(), place.pointer());
        self.errors.push(RuleError { path, pointer, code: code.as_str(), message: message.into() });
    }

    /// The value if nothing at all was wrong, else every error.
    pub(crate) fn verdict<T>(self, value: Option<T>) -> Result<T, Vec<RuleError>> {
        debug_assert!(value.is_some() || !self.errors.is_empty(), "a value is missing and nobody said why");
        match value {
            Some(valid) if self.errors.is_empty() => Ok(valid),
            _ => Err(self.errors),
        }
    }

    /// The text of a field that must be there and not be `null`.
    pub(crate) fn present<'a>(&mut self, field: &Field<'a, '_>) -> Option<&'a str> {
        match field.text {
            None => self.refuse(field, RuleCode::FieldMissing, "Field required"),
            Some("null") => self.refuse(field, RuleCode::FieldNull, "Field must not be null"),
            present => present,
        }
    }

    /// A string of at most `max_chars` characters.
    pub(crate) fn text<'a>(&mut self, field: &Field<'a, '_>, max_chars: usize) -> Option<Cow<'a, str>> {
        let text = self.string(field)?;
        if text.len() > max_chars && text.chars().count() > max_chars {
            return self.refuse(field, RuleCode::TextTooLong, format!("Text must have at most {max_chars} characters"));
        }
        Some(text)
    }

    /// A string that is the text form of something.
    pub(crate) fn parsed<T: FromStr>(
        &mut self,
        field: &Field<'_, '_>,
        code: RuleCode,
        message: impl FnOnce(&str) -> Cow<'static, str>,
    ) -> Option<T> {
        let text = self.string(field)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => self.refuse(field, code, message(&shortened(&text))),
        }
    }

    /// A whole number in a range, written without fraction and exponent.
    pub(crate) fn integer(
        &mut self,
        field: &Field<'_, '_>,
        range: RangeInclusive<u32>,
        too_small: &'static str,
    ) -> Option<u32> {
        let text = self.number(field, "Input should be a valid integer")?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.refuse(field, RuleCode::IntegerNotWhole, "Input should be a valid integer");
        }
        let negative = text.len() != digits.len() && digits != "0";
        let value = digits.parse::<u32>().ok().filter(|value| value <= range.end());
        match value {
            _ if negative => self.refuse(field, RuleCode::IntegerTooSmall, too_small),
            None => self.refuse(field, RuleCode::IntegerTooLarge, format!("Input must be at most {}", range.end())),
            Some(small) if small < *range.start() => self.refuse(field, RuleCode::IntegerTooSmall, too_small),
            in_range => in_range,
        }
    }

    /// An amount; `label` opens the message, such as `Total amount`.
    pub(crate) fn money(&mut self, field: &Field<'_, '_>, label: &str) -> Option<Money> {
        self.money_by(field, label, Money::parse)
    }

    /// A sum of amounts.
    pub(crate) fn sum(&mut self, field: &Field<'_, '_>, label: &str) -> Option<Money> {
        self.money_by(field, label, Money::parse_sum)
    }

    fn money_by(
        &mut self,
        field: &Field<'_, '_>,
        label: &str,
        parse: fn(&str) -> Result<Money, InvalidMoney>,
    ) -> Option<Money> {
        let text = self.number(field, "Input should be a valid number")?;
        match parse(text) {
            Ok(amount) => Some(amount),
            Err(invalid) => self.refuse(field, money_code(invalid), format!("{label} {invalid}")),
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, field: &Field<'_, '_>) -> Option<bool> {
        match self.present(field)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => self.refuse(field, RuleCode::WrongType, "Input should be a valid boolean"),
        }
    }

    /// Notes what is wrong with a field, and that it has no value.
    pub(crate) fn refuse<T>(
        &mut self,
        field: &Field<'_, '_>,
        code: RuleCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Option<T> {
        self.add(&field.place, code, message);
        None
    }

    /// A string of any length, without its quotes and escapes.
    pub(crate) fn string<'a>(&mut self, field: &Field<'a, '_>) -> Option<Cow<'a, str>> {
        let raw = self.present(field)?;
        let Some(inner) = raw.strip_prefix('"').and_then(|open| open.strip_suffix('"')) else {
            return self.refuse(field, RuleCode::WrongType, "Input should be a valid string");
        };
        if !inner.contains('\\') {
            return Some(Cow::Borrowed(inner));
        }
        match serde_json::from_str(raw) {
            Ok(text) => Some(Cow::Owned(text)),
            Err(_) => self.refuse(field, RuleCode::TextInvalid, "Text has half of a surrogate pair"),
        }
    }

    /// The text of a JSON number.
    pub(crate) fn number<'a>(&mut self, field: &Field<'a, '_>, wrong_type: &'static str) -> Option<&'a str> {
        let text = self.present(field)?;
        if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return self.refuse(field, RuleCode::WrongType, wrong_type);
        }
        Some(text)
    }
}

fn money_code(invalid: InvalidMoney) -> RuleCode {
    match invalid {
        InvalidMoney::NotPlain => RuleCode::MoneyNotPlain,
        InvalidMoney::NotPositive => RuleCode::MoneyNotPositive,
        InvalidMoney::TooLarge | InvalidMoney::SumTooLarge => RuleCode::MoneyTooLarge,
        InvalidMoney::TooPrecise => RuleCode::MoneyTooPrecise,
    }
}

/// A short piece of what was sent, fit for one line.
fn shortened(text: &str) -> String {
    let printable = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    let mut short: String = text.chars().take(ECHO_CHARS).map(printable).collect();
    if text.chars().nth(ECHO_CHARS).is_some() {
        short.push('…');
    }
    short
}

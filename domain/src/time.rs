//! Times as text: RFC 3339 with an offset in, the one canonical UTC form out.
//! Does not know what time it is.

use chrono::{DateTime, NaiveDate, SecondsFormat, Timelike, Utc};

/// Longer texts are no timestamp, whatever their digits say.
pub(crate) const MAX_LEN: usize = 64;

/// RFC 3339 in UTC with `Z`, fractions only where there are some: the one canonical form of a time.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Reads RFC 3339 with an offset. Digits below the nanosecond are cut; a leap second counts to the second before it,
/// because windows are aligned to the epoch, which has none.
pub fn parse_rfc3339(text: &str) -> Option<DateTime<Utc>> {
    canonical(text.as_bytes()).or_else(|| any_offset(text))
}

/// The form that [`rfc3339`] writes, at a tenth of the general parser's cost: aggregation reads two of them per sale.
fn canonical(text: &[u8]) -> Option<DateTime<Utc>> {
    let (stamp, rest) = text.split_at_checked(19)?;
    let separated = stamp[4] == b'-' && stamp[7] == b'-' && stamp[10] == b'T' && stamp[13] == b':' && stamp[16] == b':';
    let fraction = match rest {
        [b'Z'] => &[],
        [b'.', digits @ .., b'Z'] if !digits.is_empty() && digits.len() <= 9 => digits,
        _ => return None,
    };
    if !separated {
        return None;
    }
    let year = i32::try_from(number(&stamp[..4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&stamp[5..7])?, number(&stamp[8..10])?)?;
    let nanos = number(fraction)? * 10_u32.pow(9 - u32::try_from(fraction.len()).ok()?);
    let (hour, minute, second) = (number(&stamp[11..13])?, number(&stamp[14..16])?, number(&stamp[17..19])?);
    Some(date.and_hms_nano_opt(hour, minute, second, nanos)?.and_utc())
}

/// At most nine ASCII digits as a number; none of them is 0.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

fn any_offset(text: &str) -> Option<DateTime<Utc>> {
    // chrono is more lenient than the RFC (a blank for the `T`, a typographic minus): the schema that we serve is not.
    let strict = text.is_ascii() && text.len() <= MAX_LEN && matches!(text.as_bytes().get(10), Some(b'T' | b't'));
    if !strict {
        return None;
    }
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    if time.nanosecond() < 1_000_000_000 { Some(time) } else { time.with_nanosecond(999_999_999) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_leap_second_counts_to_the_second_before_it() {
        let leap = parse_rfc3339("2016-12-31T23:59:60Z").unwrap();
        assert_eq!(rfc3339(leap), "2016-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn digits_below_the_nanosecond_are_cut() {
        let time = parse_rfc3339("2024-11-15T10:00:00.1234567899Z").unwrap();
        assert_eq!(rfc3339(time), "2024-11-15T10:00:00.123456789Z");
    }

    #[test]
    fn what_the_schema_does_not_allow_is_no_time() {
        let zeros = "0".repeat(60);
        for bad in
            ["2024-11-15 10:00:00Z", "2024-11-15T10:00:00\u{2212}01:00", "2024-11-15T10:00Z", "2024-11-15T24:00:00Z"]
        {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
        assert_eq!(parse_rfc3339(&format!("2024-11-15T10:00:00.{zeros}Z")), None);
    }

    proptest! {
        #[test]
        fn a_time_survives_print_and_parse(nanos in any::<i64>()) {
            let time = DateTime::from_timestamp_nanos(nanos);
            prop_assert_eq!(parse_rfc3339(&rfc3339(time)), Some(time));
        }

        #[test]
        fn the_fast_path_agrees_with_the_general_parser(
            text in "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?Z",
        ) {
            prop_assert_eq!(parse_rfc3339(&text), any_offset(&text));
        }

        #[test]
        fn no_text_stops_the_parser(text in any::<String>()) {
            let _ = parse_rfc3339(&text);
        }
    }
}

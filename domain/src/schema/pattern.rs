//! Regular expressions for the text forms that the rules read; plain enough for every dialect that reads OpenAPI.
//! Does not match anything: the rules do not use them, a test holds both together.

/// The four text forms of a UUID.
pub(super) const UUID: &str = concat!(
    r"^(([Uu][Rr][Nn]:[Uu][Uu][Ii][Dd]:)?[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
    r"|\{[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\}",
    r"|[0-9A-Fa-f]{32})$",
);

/// RFC 3339 with an offset, in the years of the rules.
pub(super) const TIMESTAMP: &str = concat!(
    r"^(20[0-9]{2}|21[0-9]{2}|2200)-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?",
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$",
);

/// The same, in the years of windows.
pub(super) const WINDOW_BOUND: &str = concat!(
    r"^(1999|20[0-9]{2}|21[0-9]{2}|220[01])-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?",
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$",
);

/// Decimal numbers from 1 to `max` without leading zeros, as alternatives.
pub(super) fn one_to(max: u32) -> String {
    let digits = max.to_string();
    let mut alternatives: Vec<String> = (1..digits.len()).map(|len| with_free_tail("[1-9]", len - 1)).collect();
    for (index, digit) in digits.bytes().enumerate() {
        let lowest = if index == 0 { b'1' } else { b'0' };
        if digit > lowest {
            let (head, below) = (&digits[..index], digit - 1);
            let class = format!("{head}[{}-{}]", char::from(lowest), char::from(below));
            alternatives.push(with_free_tail(&class, digits.len() - index - 1));
        }
    }
    alternatives.push(digits);
    alternatives.join("|")
}

fn with_free_tail(head: &str, free: usize) -> String {
    if free == 0 { head.to_owned() } else { format!("{head}[0-9]{{{free}}}") }
}

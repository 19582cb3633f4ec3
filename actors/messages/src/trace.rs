//! The W3C trace context of a request on its way to the message that the request causes.
//! Starts no trace and adds no span; what is invalid counts as absent and is nobody's error.

/// What every reader of a `tracestate` must be able to carry; no more of it is carried here.
const MAX_STATE_BYTES: usize = 512;

/// The trace that a message belongs to: `traceparent` and `tracestate` of <https://www.w3.org/TR/trace-context/>, valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: String,
    tracestate: Option<String>,
}

// === impl TraceContext ===

impl TraceContext {
    /// Nothing when `traceparent` is invalid; an invalid `tracestate` is dropped alone, an empty one is none.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: &str) -> Option<Self> {
        Some(Self { traceparent: parse_parent(traceparent)?, tracestate: parse_state(tracestate) })
    }

    /// In version 00: `00-<trace>-<span>-<flags>`.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// At most 512 printable characters, unread.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }
}

fn parse_parent(text: &str) -> Option<String> {
    let mut fields = text.splitn(5, '-');
    let mut hex = |length| fields.next().filter(|field| is_hex(field, length));
    let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    if version == "ff" || is_zero(trace) || is_zero(span) {
        return None;
    }
    match (version, fields.next()) {
        ("00", None) => Some(text.to_owned()),
        ("00", Some(_)) => None,
        // A later version begins with the same fields and is passed on as the one we know, with the one flag we know.
        _ => Some(format!("00-{trace}-{span}-{:02x}", u8::from_str_radix(flags, 16).ok()? & 1)),
    }
}

fn parse_state(text: &str) -> Option<String> {
    let state = text.trim();
    let valid = (1..=MAX_STATE_BYTES).contains(&state.len()) && state.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    valid.then(|| state.to_owned())
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(hex: &str) -> bool {
    hex.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parent(text: &str) -> Option<String> {
        TraceContext::parse(text, "").map(|trace| trace.traceparent)
    }

    fn state(text: &str) -> Option<String> {
        TraceContext::parse(PARENT, text).expect("a lone bad state does not spoil its parent").tracestate
    }

    #[test]
    fn a_valid_context_is_carried_to_the_byte() {
        let trace = TraceContext::parse(PARENT, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE").unwrap();
        assert_eq!(trace.traceparent(), PARENT);
        assert_eq!(trace.tracestate(), Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
        assert_eq!(parent(&PARENT.replace("-01", "-fe")), Some(PARENT.replace("-01", "-fe")));
    }

    #[test]
    fn a_context_that_breaks_a_rule_counts_as_absent() {
        let broken = [
            "",
            "-",
            "00",
            &PARENT[..54],
            &format!("{PARENT}0"),
            &format!("{PARENT}-"),
            &format!("{PARENT}-later"),
            &format!(" {PARENT}"),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replacen("00", "0", 1),
            &PARENT.replacen("00", "0X", 1),
            &PARENT.replace('b', "B"),
            &PARENT.replace('b', "g"),
            &PARENT.replace("b3", "ä"),
            &PARENT.replace('-', "_"),
            &PARENT.replace("-01", "-1"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ];
        for text in broken {
            assert_eq!(parent(text), None, "`{text}`");
        }
    }

    #[test]
    fn a_later_version_is_passed_on_as_the_known_one() {
        for (flags, known) in [("01", "01"), ("fe", "00"), ("ff-and-more", "01"), ("00-", "00")] {
            let later = PARENT.replacen("00", "cc", 1).replace("-01", &format!("-{flags}"));
            assert_eq!(parent(&later), Some(PARENT.replace("-01", &format!("-{known}"))), "`{later}`");
        }
        assert_eq!(parent(&PARENT.replacen("00", "cc", 1).replace("-01", "-01.more")), None);
    }

    #[test]
    fn a_state_that_is_too_long_or_not_printable_is_dropped_without_its_parent() {
        let longest = "a=".to_owned() + &"b".repeat(510);
        assert_eq!(state(&longest), Some(longest.clone()));
        assert_eq!(state(" a=1, b=2\t"), Some("a=1, b=2".to_owned()));
        for text in [&(longest + "b"), "", " ", "a=ä", "a=\u{7f}", "a=\0", "a=1\nb=2"] {
            assert_eq!(state(text), None, "`{text}`");
        }
    }

    proptest! {
        #[test]
        fn what_is_carried_is_valid_again(
            version in "[0-9a-f]{2}",
            rest in "-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,9})?",
            tracestate in ".{0,600}",
        ) {
            if let Some(trace) = TraceContext::parse(&(version + &rest), &tracestate) {
                prop_assert_eq!(trace.traceparent().len(), 55);
                let again = TraceContext::parse(trace.traceparent(), trace.tracestate().unwrap_or_default());
                prop_assert_eq!(again, Some(trace));
            }
        }
    }
}

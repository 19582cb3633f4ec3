//! The W3C trace context of a request on its way to the message that the request causes.
//! Starts no trace and adds no span; what is invalid counts as absent and is nobody's error.

use std::sync::Arc;

/// What every reader of a `tracestate` must be able to carry; no more of it is carried here.
const MAX_STATE_BYTES: usize = 512;

/// The flag that says that the spans of this trace are kept.
const SAMPLED: u8 = 1;

/// The trace that a message belongs to: `traceparent` and `tracestate` of <https://www.w3.org/TR/trace-context/>, valid.
/// Shared and not carried: nearly every message belongs to none, and moves with one word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    ids: TraceIds,
    flags: u8,
    state: Option<Box<str>>,
}

/// Which span of which trace; neither is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceIds {
    /// Written as 32 hexadecimal digits.
    pub trace: u128,
    /// Written as 16 hexadecimal digits.
    pub span: u64,
}

// === impl TraceContext ===

impl TraceContext {
    /// Nothing when one of the ids is 0.
    #[must_use]
    pub fn new(ids: TraceIds, sampled: bool) -> Option<Self> {
        Self::valid(ids, sampled.into(), || None)
    }

    /// Nothing when one of the ids is 0; an invalid state is dropped alone, an empty one is none.
    #[must_use]
    pub fn of_parts(ids: TraceIds, flags: u8, tracestate: &str) -> Option<Self> {
        Self::valid(ids, flags, || parse_state(tracestate))
    }

    /// Nothing when `traceparent` is invalid; an invalid `tracestate` is dropped alone, an empty one is none.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: &str) -> Option<Self> {
        let (ids, flags) = parse_parent(traceparent)?;
        Self::of_parts(ids, flags, tracestate)
    }

    /// The same trace as seen from another of its spans.
    #[must_use]
    pub fn at(&self, span: u64) -> Option<Self> {
        Self::valid(TraceIds { span, ..self.0.ids }, self.0.flags, || self.0.state.clone())
    }

    /// Which span of which trace.
    #[must_use]
    pub fn ids(&self) -> TraceIds {
        self.0.ids
    }

    /// As a `traceparent` says them.
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.0.flags
    }

    /// Whether whoever began the trace keeps its spans.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.0.flags & SAMPLED != 0
    }

    /// In version 00: `00-<trace>-<span>-<flags>`.
    #[must_use]
    pub fn traceparent(&self) -> String {
        let TraceIds { trace, span } = self.0.ids;
        format!("00-{trace:032x}-{span:016x}-{:02x}", self.0.flags)
    }

    /// At most 512 printable characters, unread.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.0.state.as_deref()
    }

    fn valid(ids: TraceIds, flags: u8, state: impl FnOnce() -> Option<Box<str>>) -> Option<Self> {
        let is_valid = ids.trace != 0 && ids.span != 0;
        is_valid.then(|| Self(Arc::new(Parts { ids, flags, state: state() })))
    }
}

fn parse_parent(text: &str) -> Option<(TraceIds, u8)> {
    let mut fields = text.splitn(5, '-');
    let mut hex = |length| fields.next().filter(|field| is_hex(field, length));
    let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let ids = TraceIds { trace: u128::from_str_radix(trace, 16).ok()?, span: u64::from_str_radix(span, 16).ok()? };
    let flags = u8::from_str_radix(flags, 16).ok()?;
    match (version, fields.next()) {
        ("ff", _) | ("00", Some(_)) => None,
        ("00", None) => Some((ids, flags)),
        // A later version begins with the same fields and is passed on as the one we know, with the one flag we know.
        _ => Some((ids, flags & SAMPLED)),
    }
}

fn parse_state(text: &str) -> Option<Box<str>> {
    let state = text.trim();
    let valid = (1..=MAX_STATE_BYTES).contains(&state.len()) && state.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    valid.then(|| state.into())
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parent(text: &str) -> Option<String> {
        TraceContext::parse(text, "").map(|trace| trace.traceparent())
    }

    fn state(text: &str) -> Option<String> {
        TraceContext::parse(PARENT, text)
            .expect("a lone bad state does not spoil its parent")
            .tracestate()
            .map(str::to_owned)
    }

    #[test]
    fn a_valid_context_is_carried_to_the_byte() {
        let trace = TraceContext::parse(PARENT, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE").unwrap();
        assert_eq!(trace.traceparent(), PARENT);
        assert_eq!(trace.tracestate(), Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
        assert_eq!(parent(&PARENT.replace("-01", "-fe")), Some(PARENT.replace("-01", "-fe")));
    }

    #[test]
    fn parts_are_held_to_the_same_rules() {
        let ids = TraceIds { trace: 1, span: 2 };
        let parts = |ids, state| TraceContext::of_parts(ids, 0xfe, state);
        assert_eq!((parts(TraceIds { trace: 0, ..ids }, ""), parts(TraceIds { span: 0, ..ids }, "")), (None, None));
        let trace = parts(ids, "a=\0").unwrap();
        assert_eq!((trace.tracestate(), trace.flags(), trace.is_sampled()), (None, 0xfe, false));
    }

    #[test]
    fn another_span_of_the_trace_keeps_all_but_the_span() {
        let trace = TraceContext::parse(PARENT, "rojo=1").unwrap();
        let child = trace.at(0x1234).unwrap();
        assert_eq!(child.traceparent(), PARENT.replace("00f067aa0ba902b7", "0000000000001234"));
        assert_eq!((child.tracestate(), child.is_sampled(), trace.at(0)), (Some("rojo=1"), true, None));
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
                let state = trace.tracestate().unwrap_or_default();
                let again = TraceContext::parse(&trace.traceparent(), state);
                let of_parts = TraceContext::of_parts(trace.ids(), trace.flags(), state);
                prop_assert_eq!((again, of_parts), (Some(trace.clone()), Some(trace)));
            }
        }
    }
}

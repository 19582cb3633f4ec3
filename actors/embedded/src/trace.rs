//! The trace of a message as the broker keeps it: a note in front of whatever else its publisher says.
//! A message of no trace has no note, and costs nothing.

use bytes::Bytes;
use tillstream_broker::TraceNote;
use tillstream_messages::{TraceContext, TraceIds};

/// The properties of a message that this process publishes.
pub fn properties(trace: Option<&TraceContext>) -> Bytes {
    let Some(context) = trace else { return Bytes::new() };
    let TraceIds { trace, span } = context.ids();
    let state = context.tracestate().unwrap_or_default();
    TraceNote { trace, span, flags: context.flags(), state }.alone()
}

/// What anybody's properties say; a note that is invalid counts as absent.
pub fn context(properties: &[u8]) -> Option<TraceContext> {
    let TraceNote { trace, span, flags, state } = TraceNote::split(properties).0?;
    TraceContext::of_parts(TraceIds { trace, span }, flags, state)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_trace_takes_no_bytes_and_bytes_of_no_trace_are_none() {
        assert!(properties(None).is_empty());
        for other in
            [&b""[..], b"\x01\x01\x00\x00", b"\x02", &TraceNote { trace: 1, span: 0, flags: 1, state: "" }.alone()]
        {
            assert_eq!(context(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn every_context_comes_back(
            (trace, span, flags) in (1_u128.., 1_u64.., any::<u8>()),
            state in "[ -~]{0,512}",
            rest in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let sent = TraceContext::of_parts(TraceIds { trace, span }, flags, &state);
            let stored = [&properties(sent.as_ref())[..], &rest].concat();
            prop_assert_eq!(context(&stored), sent);
        }
    }
}

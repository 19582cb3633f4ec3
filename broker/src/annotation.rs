//! What a message's properties begin with when it belongs to a trace, in a form that everybody reads who knows nothing of
//! what is behind it.
//! Knows which trace and not what a trace is: ids and flags are carried unjudged, and properties of no trace have no note.
//!
//! `2`, trace (16 bytes), span (8), flags (1), length of the state (2), the state; then whatever else is said about the
//! message. Numbers are big-endian. Nobody else's properties may begin with `2`.

use bytes::{BufMut, Bytes, BytesMut};

/// In front of a note. Properties that a client's listener writes begin with `1`.
const MARK: u8 = 2;

/// All but the state.
const FIXED_BYTES: usize = 1 + 16 + 8 + 1 + 2;

/// What every reader of a `tracestate` must be able to carry; a longer state is left out.
const MAX_STATE_BYTES: usize = 512;

/// The trace of a message, as its publisher said it: the numbers of a W3C `traceparent`, and a `tracestate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceNote<'a> {
    /// Which trace.
    pub trace: u128,
    /// Which span of it.
    pub span: u64,
    /// Whether it is kept, and what else a publisher may say.
    pub flags: u8,
    /// The `tracestate`; empty where there is none.
    pub state: &'a str,
}

// === impl TraceNote ===

impl<'a> TraceNote<'a> {
    /// How many bytes it takes in front of what is written next.
    #[must_use]
    pub fn size(&self) -> usize {
        FIXED_BYTES + self.kept_state().len()
    }

    /// Writes it; what else there is to say about the message follows.
    pub fn put(&self, out: &mut BytesMut) {
        let state = self.kept_state();
        out.put_u8(MARK);
        out.put_u128(self.trace);
        out.put_u64(self.span);
        out.put_u8(self.flags);
        // At most `MAX_STATE_BYTES`.
        out.put_u16(state.len() as u16);
        out.put_slice(state.as_bytes());
    }

    /// Properties that say nothing else.
    #[must_use]
    pub fn alone(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.size());
        self.put(&mut out);
        out.freeze()
    }

    /// The note that properties begin with, and what is behind it; without a whole note all of them.
    #[must_use]
    pub fn split(properties: &'a [u8]) -> (Option<Self>, &'a [u8]) {
        match Self::read(properties) {
            Some((note, rest)) => (Some(note), rest),
            None => (None, properties),
        }
    }

    fn read(properties: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[MARK], rest) = properties.split_first_chunk()? else { return None };
        let (trace, rest) = rest.split_first_chunk()?;
        let (span, rest) = rest.split_first_chunk()?;
        let (&[flags], rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (state, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let (trace, span) = (u128::from_be_bytes(*trace), u64::from_be_bytes(*span));
        let note = Self { trace, span, flags, state: std::str::from_utf8(state).unwrap_or_default() };
        // A state that is no text or too long was not written here, and is worth less than its trace.
        Some((Self { state: note.kept_state(), ..note }, rest))
    }

    fn kept_state(&self) -> &'a str {
        if self.state.len() > MAX_STATE_BYTES { "" } else { self.state }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_note_is_written_to_the_byte() {
        let note = TraceNote { trace: 0x0102 << 112 | 0x0304, span: 0x0506 << 48 | 0x0708, flags: 1, state: "a=1" };

        let mut out = BytesMut::new();
        note.put(&mut out);
        out.put_slice(b"\x01rest");

        let expected = b"\x02\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\x03\x04\x05\x06\0\0\0\0\x07\x08\x01\0\x03a=1\x01rest";
        assert_eq!(out, expected[..]);
        assert_eq!(TraceNote::split(&out), (Some(note), &b"\x01rest"[..]));
    }

    #[test]
    fn properties_of_no_trace_are_all_rest() {
        for properties in [&b""[..], b"\x01", b"\x01\x01\x00\x00", b"\x03whatever", &[0; 40]] {
            assert_eq!(TraceNote::split(properties), (None, properties));
        }
    }

    #[test]
    fn a_state_that_is_too_long_is_left_out_without_its_trace() {
        let longest = "s".repeat(512);
        let note = TraceNote { trace: 1, span: 2, flags: 3, state: &longest };
        assert_eq!(TraceNote::split(&note.alone()), (Some(note), &[][..]));

        let too_long = longest.clone() + "s";
        let without = TraceNote { state: "", ..note };
        assert_eq!(TraceNote::split(&TraceNote { state: &too_long, ..note }.alone()), (Some(without), &[][..]));
    }

    #[test]
    fn a_stored_state_that_is_no_text_or_too_long_is_none() {
        let without = TraceNote { trace: 1, span: 2, flags: 3, state: "" };
        let mut bytes = TraceNote { state: "ab", ..without }.alone().to_vec();
        bytes[28] = 0xff;
        assert_eq!(TraceNote::split(&bytes), (Some(without), &[][..]));

        bytes.truncate(26);
        bytes.extend_from_slice(&513_u16.to_be_bytes());
        bytes.extend_from_slice(&[b's'; 513]);
        assert_eq!(TraceNote::split(&bytes), (Some(without), &[][..]));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again_and_what_is_cut_is_no_note(
            (trace, span, flags) in any::<(u128, u64, u8)>(),
            state in "\\PC{0,120}",
            rest in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let note = TraceNote { trace, span, flags, state: &state };
            let alone = note.alone();
            let bytes = [&alone[..], &rest].concat();

            prop_assert_eq!(alone.len(), note.size());
            prop_assert_eq!(TraceNote::split(&bytes), (Some(note), &rest[..]));
            for length in 0..alone.len() {
                prop_assert_eq!(TraceNote::split(&bytes[..length]), (None, &bytes[..length]));
            }
        }

        #[test]
        fn whatever_properties_are_nothing_of_them_is_lost(mark in 0_u8..4, behind in prop::collection::vec(any::<u8>(), 0..80)) {
            let properties = [&[mark][..], &behind].concat();
            let (note, rest) = TraceNote::split(&properties);
            prop_assert!(properties.ends_with(rest));
            prop_assert_eq!(note.is_none(), rest.len() == properties.len());
        }
    }
}

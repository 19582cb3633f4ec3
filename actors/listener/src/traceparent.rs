//! A trace as clients write it into user properties (W3C trace context), and as the broker keeps it: text there, numbers here.
//! Starts no trace and refuses no message; what is invalid counts as absent.

use tillstream_broker::TraceNote;

/// The user properties that say it.
pub(crate) const PARENT: &str = "traceparent";
pub(crate) const STATE: &str = "tracestate";

/// The one flag that is known in every version.
const SAMPLED: u8 = 1;

/// Nothing when the parent is invalid. Whether a state is valid, is judged by whoever acts on it.
pub(crate) fn read<'a>(parent: &str, state: &'a str) -> Option<TraceNote<'a>> {
    let mut fields = parent.splitn(5, '-');
    let (version, trace) = (hex(fields.next(), 2)?, hex(fields.next(), 32)?);
    let (span, flags) = (hex(fields.next(), 16)? as u64, hex(fields.next(), 2)? as u8);
    // A later version begins with the same fields.
    let flags = match (version, fields.next()) {
        (0xff, _) | (0, Some(_)) => return None,
        (0, None) => flags,
        _ => flags & SAMPLED,
    };
    (trace != 0 && span != 0).then(|| TraceNote { trace, span, flags, state: state.trim() })
}

/// The parent, in version 00.
pub(crate) fn write(note: &TraceNote<'_>) -> String {
    let TraceNote { trace, span, flags, .. } = note;
    format!("00-{trace:032x}-{span:016x}-{flags:02x}")
}

/// So many lower-case digits and nothing else.
fn hex(field: Option<&str>, digits: usize) -> Option<u128> {
    let field = field.filter(|field| field.len() == digits)?;
    let valid = field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    valid.then(|| u128::from_str_radix(field, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tillstream_messages::{TraceContext, TraceIds};

    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn again(parent: &str) -> Option<String> {
        read(parent, "").map(|note| write(&note))
    }

    #[test]
    fn what_is_valid_is_the_same_text_again() {
        let note = read(TEXT, " a=1\t").unwrap();
        assert_eq!((note.trace >> 64, note.span, note.flags), (0x4bf9_2f35_77b3_4da6, 0x00f0_67aa_0ba9_02b7, 1));
        assert_eq!(note.state, "a=1");
        for text in [TEXT, &TEXT.replace("-01", "-fe"), "00-00000000000000000000000000000001-0000000000000001-00"] {
            assert_eq!(again(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_later_version_is_kept_as_the_known_one_with_the_known_flag() {
        for (later, known) in [("01", "01"), ("fe", "00"), ("ff-and-more", "01"), ("00-", "00")] {
            let text = TEXT.replacen("00", "cc", 1).replace("-01", &format!("-{later}"));
            assert_eq!(again(&text), Some(TEXT.replace("-01", &format!("-{known}"))), "`{text}`");
        }
    }

    /// Whoever reads the text itself, on another backend, must see the same trace as a reader of the broker's numbers.
    fn same_as_in_messages(parent: &str, state: &str) {
        let kept = read(parent, state).and_then(|note| {
            TraceContext::of_parts(TraceIds { trace: note.trace, span: note.span }, note.flags, note.state)
        });
        assert_eq!(kept, TraceContext::parse(parent, state), "`{parent}`, `{state}`");
    }

    #[test]
    fn what_breaks_a_rule_counts_as_absent_here_as_everywhere() {
        let broken = [
            "",
            "00",
            &TEXT[..54],
            &format!("{TEXT}0"),
            &format!("{TEXT}-later"),
            &format!(" {TEXT}"),
            &TEXT.replacen("00", "ff", 1),
            &TEXT.replacen("00", "+0", 1),
            &TEXT.replace('b', "B"),
            &TEXT.replace("b3", "ä"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ];
        for text in broken {
            assert_eq!(again(text), None, "`{text}`");
            same_as_in_messages(text, "");
        }
    }

    proptest! {
        #[test]
        fn a_context_is_the_same_whoever_reads_it(
            parent in "[0-9a-fA]{2}-[0-9a-f]{31,32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,3})?",
            version in prop::option::of(prop::sample::select(vec!["00", "01", "ff"])),
            state in "[ -~\\PC]{0,20}",
        ) {
            let parent = version.map_or(parent.clone(), |version| format!("{version}{}", &parent[2..]));
            same_as_in_messages(&parent, &state);
        }
    }
}

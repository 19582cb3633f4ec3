use super::*;

const ID: Uuid = Uuid::from_u128(0x0b9c4c0e_8e64_4d5e_9b0a_0123456789ab);
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// As the vendor's Python API wrote it, with a user property behind the message id.
fn captured() -> Vec<u8> {
    let mut block =
        b"\x01\x00\x00\x00\x54\x2f\x00\x00\x00\x54\x18\x04\x80\x00\x2b\x00\x00\x00\x4b\x1c\x04h\x00".to_vec();
    block.extend(b"\x2b\x00\x00\x00\x31\x1c\x05mi\x00\x1c\x270b9c4c0e-8e64-4d5e-9b0a-0123456789ab\x00");
    block.extend(b"\x1c\x04p\x00\x2b\x00\x00\x00\x0d\x1c\x04k\x00\x1c\x04v\x00");
    block
}

fn message_id(block: &[u8]) -> Option<Uuid> {
    Block::read(block).message_id()
}

fn note(state: &str) -> TraceNote<'_> {
    traceparent::read(PARENT, state).unwrap()
}

#[test]
fn the_message_id_of_a_real_client_is_found_among_other_properties() {
    assert_eq!((message_id(&captured()), Block::read(&captured()).trace()), (Some(ID), None));
}

#[test]
fn a_block_of_ours_is_the_real_one_without_its_user_property() {
    let ours = block(ID, None).unwrap();
    assert_eq!(message_id(&ours), Some(ID));
    assert_eq!(ours.len(), 72);
    assert_eq!(ours[23..], captured()[23..72]);
    assert_eq!(
        ours[..23],
        b"\x01\x00\x00\x00\x43\x2f\x00\x00\x00\x43\x18\x04\x80\x00\x2b\x00\x00\x00\x3a\x1c\x04h\x00"[..]
    );
}

#[test]
fn a_block_says_the_trace_behind_the_message_id_to_the_byte() {
    let ours = block(ID, Some(&note("a=1"))).unwrap();

    let mut user = b"\x1c\x04p\x00\x2b\x00\x00\x00\x60\x1c\x0etraceparent\x00\x1c\x3a".to_vec();
    user.extend_from_slice(PARENT.as_bytes());
    user.extend_from_slice(b"\x00\x1c\x0dtracestate\x00\x1c\x06a=1\x00");
    assert_eq!(ours[72..], user);
    assert_eq!(ours[4], 0x43 + user.len() as u8);
}

#[test]
fn what_a_block_says_is_read_again_whatever_it_lacks() {
    let longest = "a=".to_owned() + &"b".repeat(510);
    for state in ["", "a=1", &"c".repeat(252), &"d".repeat(253), &longest] {
        for id in [ID, Uuid::nil()] {
            let bytes = block(id, Some(&note(state))).unwrap();
            let read = Block::read(&bytes);
            assert_eq!((read.message_id().unwrap_or_default(), read.trace()), (id, Some(note(state))));
        }
    }
    assert_eq!(block(Uuid::nil(), None), None);
}

#[test]
fn a_trace_is_read_among_other_properties_and_only_from_texts() {
    let user = |fill: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::from(&[1, 0, 0, 0, 0][..]);
        put(&mut out, STREAM, |stream| {
            stream.put_slice(&PREAMBLE);
            put(stream, MAP, |map| {
                put_text(map, USER_PROPERTIES);
                put(map, MAP, |user| fill(user));
            });
        });
        out
    };
    let trace = |fill: &dyn Fn(&mut BytesMut)| Block::read(&user(fill)).trace().map(|note| note.state.to_owned());
    let texts =
        |texts: &'static [&'static str]| move |out: &mut BytesMut| texts.iter().for_each(|it| put_text(out, it));

    assert_eq!(trace(&texts(&["tracestate", "a=1", "till", "7", "traceparent", PARENT])).as_deref(), Some("a=1"));
    assert_eq!(trace(&texts(&["traceparent", PARENT, "traceparent", "none"])).as_deref(), Some(""));
    assert_eq!(trace(&texts(&["traceparent", "none"])), None);
    assert_eq!(trace(&texts(&["tracestate", "a=1"])), None);
    let not_text = |out: &mut BytesMut| {
        put_text(out, "traceparent");
        put(out, 6, |bytes| bytes.put_slice(PARENT.as_bytes()));
    };
    assert_eq!(trace(&not_text), None);
    let state_is_no_text = |out: &mut BytesMut| {
        texts(&["traceparent", PARENT, "tracestate"])(out);
        out.put_slice(b"\x1c\x05a\xff\x00");
    };
    assert_eq!(trace(&state_is_no_text).as_deref(), Some(""));
}

#[test]
fn a_message_id_that_is_no_uuid_is_none() {
    let mut block = captured();
    block[45] = b'x';
    assert_eq!(message_id(&block), None);
}

#[test]
fn a_block_that_is_cut_or_bent_says_nothing_and_ends() {
    let whole = block(ID, Some(&note("a=1"))).unwrap();
    for length in 0..whole.len() {
        let cut = Block::read(&whole[..length]);
        assert_eq!((cut.message_id(), cut.trace()), (None, None), "{length}");
    }
    for at in 0..whole.len() {
        for byte in [0, 1, 0x1c, 0x2b, 0x7f, 0xff] {
            let mut bent = whole.to_vec();
            bent[at] = byte;
            let read = Block::read(&bent);
            let _ = (read.message_id(), read.trace());
        }
    }
}

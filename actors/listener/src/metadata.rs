//! The block of properties that client libraries put behind a message's attachment, as far as the application's message
//! id is concerned. Everything else in it is carried unread.
//!
//! A block is one byte for the number of streams, one of flags, three of length, and a stream: a preamble, then a map in
//! which `h` leads to the map of headers, and in that `mi` to the message id. Every element is a byte of type and width,
//! its whole length in that many bytes, and a value.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

/// In front of the stream: number, flags, length.
const BLOCK: usize = 5;
const STRING: u8 = 7;
const MAP: u8 = 10;
const STREAM: u8 = 11;
/// Up to the message id's own bytes, for one of 36 characters: as client libraries write a block that holds nothing else.
const BEFORE_ID: &[u8] = b"\x01\x00\x00\x00\x43\x2f\x00\x00\x00\x43\x18\x04\x80\x00\x2b\x00\x00\x00\x3a\x1c\x04h\x00\
      \x2b\x00\x00\x00\x31\x1c\x05mi\x00\x1c\x27";

/// One element: its type and its value.
struct Element<'a> {
    kind: u8,
    value: &'a [u8],
}

/// The application's message id, if it is a UUID.
pub(crate) fn message_id(block: &[u8]) -> Option<Uuid> {
    let stream = only(block.get(BLOCK..)?, STREAM)?;
    let (_preamble, rest) = next(stream)?;
    let map = only(rest, MAP)?;
    let headers = entry(map, b"h\0", MAP)?;
    let text = entry(headers, b"mi\0", STRING)?;
    let (0, text) = text.split_last()? else { return None };
    Uuid::try_parse_ascii(text).ok()
}

/// A block that says the message id and nothing else.
pub(crate) fn block(id: Uuid) -> Bytes {
    let mut text = Uuid::encode_buffer();
    let text = id.hyphenated().encode_lower(&mut text);
    let mut out = BytesMut::with_capacity(BEFORE_ID.len() + text.len() + 1);
    out.put_slice(BEFORE_ID);
    out.put_slice(text.as_bytes());
    out.put_u8(0);
    out.freeze()
}

/// The value of a map's entry, if it is of that type.
fn entry<'a>(map: &'a [u8], key: &[u8], kind: u8) -> Option<&'a [u8]> {
    let mut rest = map;
    loop {
        let (name, behind) = next(rest)?;
        let (value, behind) = next(behind)?;
        if name.kind == STRING && name.value == key {
            return (value.kind == kind).then_some(value.value);
        }
        rest = behind;
    }
}

/// The value of the first element, if it is of that type.
fn only(bytes: &[u8], kind: u8) -> Option<&[u8]> {
    next(bytes).filter(|(element, _)| element.kind == kind).map(|(element, _)| element.value)
}

/// The first element, and what is behind it. Never goes back: an element has at least the bytes of its own head.
fn next(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let first = *bytes.first()?;
    let head = 2 + usize::from(first & 0x03);
    let length = bytes.get(1..head)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let value = bytes.get(head..length)?;
    Some((Element { kind: first >> 2, value }, &bytes[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x0b9c4c0e_8e64_4d5e_9b0a_0123456789ab);

    /// As the vendor's Python API wrote it, with a user property behind the message id.
    fn captured() -> Vec<u8> {
        let mut block =
            b"\x01\x00\x00\x00\x54\x2f\x00\x00\x00\x54\x18\x04\x80\x00\x2b\x00\x00\x00\x4b\x1c\x04h\x00".to_vec();
        block.extend(b"\x2b\x00\x00\x00\x31\x1c\x05mi\x00\x1c\x270b9c4c0e-8e64-4d5e-9b0a-0123456789ab\x00");
        block.extend(b"\x1c\x04p\x00\x2b\x00\x00\x00\x0d\x1c\x04k\x00\x1c\x04v\x00");
        block
    }

    #[test]
    fn the_message_id_of_a_real_client_is_found_among_other_properties() {
        assert_eq!(message_id(&captured()), Some(ID));
    }

    #[test]
    fn a_block_of_ours_is_the_real_one_without_its_user_property() {
        let ours = block(ID);
        assert_eq!(message_id(&ours), Some(ID));
        assert_eq!(ours.len(), 72);
        assert_eq!(ours[23..], captured()[23..72]);
    }

    #[test]
    fn a_message_id_that_is_no_uuid_is_none() {
        let mut block = captured();
        block[45] = b'x';
        assert_eq!(message_id(&block), None);
    }

    #[test]
    fn a_block_that_is_cut_or_bent_is_none_and_ends() {
        let block = captured();
        for length in 0..72 {
            assert_eq!(message_id(&block[..length]), None, "{length}");
        }
        for at in 0..block.len() {
            for byte in [0, 1, 0x1c, 0x2b, 0x7f, 0xff] {
                let mut bent = block.clone();
                bent[at] = byte;
                let _ = message_id(&bent);
            }
        }
    }
}

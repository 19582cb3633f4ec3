//! What the tests of the codec share: frames in a readable notation, and cutting them back.
//! Judges nothing.
#![allow(dead_code, reason = "each test uses what it needs")]

pub mod generate;

use bytes::BytesMut;
use tillstream_smf::{Frame, FrameError, Limits, Reply, Request};

/// Roomy enough for every frame of these tests.
pub const LIMITS: Limits = Limits::for_payload(1 << 20);

/// Bytes from hexadecimal digits with texts in quotes between them; `\0` in a text is NUL.
pub fn wire(notation: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (place, part) in notation.split('"').enumerate() {
        match place % 2 {
            0 => bytes.extend(hex(part)),
            _ => bytes.extend(part.replace("\\0", "\0").bytes()),
        }
    }
    bytes
}

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        digits.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("a digit")).collect();
    assert!(digits.len().is_multiple_of(2), "half a byte");
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// All frames of a stream that arrives in pieces, until an error, and what is left.
pub fn cut(pieces: &[&[u8]], limits: &Limits) -> (Vec<Frame>, Result<usize, FrameError>) {
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match Frame::take_from(&mut buffer, limits) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, Ok(buffer.len()))
}

/// The one frame that these bytes are.
pub fn frame(bytes: &[u8]) -> Frame {
    let (mut frames, rest) = cut(&[bytes], &LIMITS);
    assert_eq!((frames.len(), rest), (1, Ok(0)), "not exactly one frame");
    frames.remove(0)
}

pub fn request_bytes(request: &Request) -> Vec<u8> {
    let mut out = BytesMut::new();
    request.encode(&mut out).expect("a request that fits");
    out.to_vec()
}

pub fn reply_bytes(reply: &Reply) -> Vec<u8> {
    let mut out = BytesMut::new();
    reply.encode(&mut out).expect("a reply that fits");
    out.to_vec()
}

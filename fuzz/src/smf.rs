//! What must hold for every stream of bytes that a listener reads: used by `smf_frame` here and by the codec's own tests.
//! Generates no input; a file of its own, so that the other judgements do not need the codec.

use bytes::BytesMut;
use tillstream_smf::{Fault, Frame, FrameError, Limits, Reply, Request};

/// Small, so that inputs reach them.
const LIMITS: Limits = Limits { max_header: 4 << 10, max_control: 8 << 10, max_message: 64 << 10 };
/// What was understood may be longer when it is written again: texts are repaired, lengths spelled out.
const ROOM: Limits = Limits::for_payload(1 << 20);

/// A stream is cut into the same frames however it arrives; what is understood is written so that it is understood
/// again as the same; what is refused can be answered.
///
/// # Panics
/// It is not.
pub fn smf_frame(input: &[u8]) {
    let (frames, end) = cut(input, input.len().max(1));
    let piece = 1 + usize::from(input.first().copied().unwrap_or(0) % 17);
    assert_eq!((&frames, &end), (&cut(input, piece).0, &cut(input, piece).1), "pieces of {piece}");
    for frame in &frames {
        request(frame);
        reply(frame);
    }
}

fn request(frame: &Frame) {
    match Request::decode(frame) {
        Ok(request) => {
            let written = written(|out| request.encode(out));
            let again = Request::decode(&only(&written)).expect("what was written is understood");
            assert_eq!(self::written(|out| again.encode(out)), written, "{request:?}");
            assert_eq!(format!("{again:?}"), format!("{request:?}"));
        }
        Err(Fault::Refused { reply, .. }) => {
            only(&written(|out| reply.encode(out)));
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

fn reply(frame: &Frame) {
    let Ok(reply) = Reply::decode(frame) else { return };
    let written = written(|out| reply.encode(out));
    assert_eq!(Reply::decode(&only(&written)).expect("what was written is understood"), reply);
}

fn written<E: std::fmt::Debug>(encode: impl Fn(&mut BytesMut) -> Result<(), E>) -> BytesMut {
    let mut out = BytesMut::new();
    encode(&mut out).expect("what was read can be written");
    out
}

/// The one frame that these bytes are.
fn only(bytes: &BytesMut) -> Frame {
    let mut buffer = bytes.clone();
    let frame = Frame::take_from(&mut buffer, &ROOM).expect("in step").expect("whole");
    assert!(buffer.is_empty(), "more than one frame was written");
    frame
}

/// All frames of a stream that arrives in pieces of that size, then the error or how much is left.
fn cut(input: &[u8], piece: usize) -> (Vec<Frame>, Result<usize, FrameError>) {
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for part in input.chunks(piece) {
        buffer.extend_from_slice(part);
        loop {
            match Frame::take_from(&mut buffer, &LIMITS) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, Ok(buffer.len()))
}

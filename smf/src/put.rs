//! Writing frames: lengths are filled in after what they measure, and a frame that fails leaves no trace.
//! Does not know what a parameter means.

use bytes::{BufMut, BytesMut};

use crate::correlation::CorrelationTag;
use crate::fault::EncodeError;
use crate::frame::FIXED_HEADER;
use crate::header;
use crate::response::Response;

/// What writing a part gives.
pub(crate) type Written = Result<(), EncodeError>;

/// In the first byte of a header or AdCtrl parameter: report it if it is not understood.
pub(crate) const REPORT: u8 = 0x80;
/// A parameter with one length byte has this many bytes for its value.
const SHORT_VALUE: usize = 253;

/// One frame: four fixed bytes, header parameters, payload.
pub(crate) fn frame(
    out: &mut BytesMut,
    head: [u8; 4],
    params: impl FnOnce(&mut BytesMut) -> Written,
    payload: impl FnOnce(&mut BytesMut) -> Written,
) -> Written {
    let start = out.len();
    let written = parts(out, head, params, payload);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn parts(
    out: &mut BytesMut,
    head: [u8; 4],
    params: impl FnOnce(&mut BytesMut) -> Written,
    payload: impl FnOnce(&mut BytesMut) -> Written,
) -> Written {
    let start = out.len();
    out.put_slice(&head);
    out.put_bytes(0, FIXED_HEADER - head.len());
    params(out)?;
    measure(out, start, start + 4)?;
    payload(out)?;
    measure(out, start, start + 8)
}

/// A frame of the control protocols: correlation tag and response first, as both sides do.
pub(crate) fn control(
    out: &mut BytesMut,
    protocol: u8,
    correlation: Option<CorrelationTag>,
    response: Option<&Response>,
    payload: impl FnOnce(&mut BytesMut) -> Written,
) -> Written {
    let params = |params: &mut BytesMut| header::put_addressing(params, correlation, response);
    frame(out, [3, protocol, 0, 1], params, payload)
}

/// Writes at `at` how many bytes there are since `start`.
pub(crate) fn measure(out: &mut BytesMut, start: usize, at: usize) -> Written {
    let found = out.len() - start;
    let length = u32::try_from(found).map_err(|_| EncodeError::TooLong { found, limit: u32::MAX as usize })?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// A parameter with one length byte and no long form.
pub(crate) fn short(out: &mut BytesMut, first: u8, value: &[u8]) -> Written {
    out.put_slice(&[first, short_length(value.len())?]);
    out.put_slice(value);
    Ok(())
}

/// A short parameter whose value is a text and its NUL.
pub(crate) fn short_text(out: &mut BytesMut, first: u8, text: &str) -> Written {
    out.put_slice(&[first, short_length(text.len() + 1)?]);
    terminated(out, text)
}

/// A text and its NUL.
pub(crate) fn terminated(out: &mut BytesMut, text: &str) -> Written {
    if text.as_bytes().contains(&0) {
        return Err(EncodeError::Nul);
    }
    out.put_slice(text.as_bytes());
    out.put_u8(0);
    Ok(())
}

/// The length byte of a short parameter, which counts itself and the type.
fn short_length(found: usize) -> Result<u8, EncodeError> {
    let too_long = EncodeError::TooLong { found, limit: SHORT_VALUE };
    u8::try_from(found + 2).map_err(|_| too_long)
}

/// Runs `put` if there is something to put.
pub(crate) fn some<T>(value: Option<T>, put: impl FnOnce(T) -> Written) -> Written {
    value.map_or(Ok(()), put)
}

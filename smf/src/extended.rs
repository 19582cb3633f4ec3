//! Extended parameters, the stream inside one header parameter. A broker only makes sure that they can be passed on.
//! Does not read their values.

use crate::fault::{Handling, List, Malformed, Parameter, Unknown};
use crate::params::{Raw, cut, cut_array, walk};

/// Acknowledged id, spooler, redelivery count, three of OAuth, trace context.
const KNOWN: [u16; 7] = [0x29, 0x2c, 0x2e, 0x2f, 0x30, 0x31, 0x36];

/// Walks the stream; what is not known counts as its sender wishes.
pub(crate) fn check(stream: &[u8]) -> Result<Option<Unknown>, Malformed> {
    walk(List::Extended, stream, next, |raw| Ok(KNOWN.contains(&raw.parameter.kind)))
}

fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Raw<'a>>, Malformed> {
    if rest.is_empty() {
        return Ok(None);
    }
    let [high, low] = cut_array(List::Extended, rest)?;
    let kind = u16::from_be_bytes([high & 0x0f, low]);
    let length = length(high >> 4 & 0x07, rest)?;
    let value = cut(List::Extended, rest, length)?;
    let parameter = Parameter { list: List::Extended, kind };
    Ok(Some(Raw { parameter, handling: Handling::of_one_bit(high), value }))
}

/// How long the value is; stated lengths count the whole parameter.
fn length(mode: u8, rest: &mut &[u8]) -> Result<usize, Malformed> {
    let cut_short = Malformed::CutShort(List::Extended);
    match mode {
        0 => Ok(0),
        1..=4 => Ok(1 << (mode - 1)),
        5 => {
            let [whole] = cut_array(List::Extended, rest)?;
            usize::from(whole).checked_sub(3).ok_or(cut_short)
        }
        6 => {
            let whole = u16::from_be_bytes(cut_array(List::Extended, rest)?);
            usize::from(whole).checked_sub(4).ok_or(cut_short)
        }
        _ => Err(cut_short),
    }
}

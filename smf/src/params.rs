//! Reading lists of parameters: what is common to the four places in which SMF keeps them.
//! Does not know what a parameter means; values are borrowed, never copied.

use crate::fault::{Handling, List, Malformed, NotUnderstood, Parameter, Unknown};

/// More parameters than this in one list are an attack: real clients send a dozen, or 64 ranges of acknowledgements.
pub const MAX_PARAMETERS: usize = 256;

/// One parameter as it stands on the wire.
pub(crate) struct Raw<'a> {
    pub(crate) parameter: Parameter,
    pub(crate) handling: Handling,
    pub(crate) value: &'a [u8],
}

/// Gives every parameter to `take`, which says whether it understood; answers with the strictest that it did not.
pub(crate) fn walk<'a>(
    list: List,
    mut rest: &'a [u8],
    next: impl Fn(&mut &'a [u8]) -> Result<Option<Raw<'a>>, Malformed>,
    mut take: impl FnMut(&Raw<'a>) -> Result<bool, Malformed>,
) -> Result<Option<Unknown>, Malformed> {
    let mut unknown = None;
    for _ in 0..MAX_PARAMETERS {
        let Some(raw) = next(&mut rest)? else { return Ok(unknown) };
        if !take(&raw)? {
            let what = NotUnderstood::Parameter(raw.parameter);
            unknown = Unknown::stricter(unknown, Some(Unknown { handling: raw.handling, what }));
        }
    }
    match next(&mut rest)? {
        None => Ok(unknown),
        Some(_) => Err(Malformed::TooMany(list)),
    }
}

/// Cuts `count` bytes off the front.
pub(crate) fn cut<'a>(list: List, rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    let (front, back) = rest.split_at_checked(count).ok_or(Malformed::CutShort(list))?;
    *rest = back;
    Ok(front)
}

/// Cuts a number off the front.
pub(crate) fn cut_array<const N: usize>(list: List, rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (front, back) = rest.split_first_chunk().ok_or(Malformed::CutShort(list))?;
    *rest = back;
    Ok(*front)
}

/// The text in front of the NUL that ends `value`.
pub(crate) fn terminated(parameter: Parameter, value: &[u8]) -> Result<&str, Malformed> {
    let Some((0, text)) = value.split_last() else { return Err(Malformed::Text(parameter)) };
    if text.contains(&0) {
        return Err(Malformed::Text(parameter));
    }
    std::str::from_utf8(text).map_err(|_| Malformed::Text(parameter))
}

// === impl Raw ===

impl<'a> Raw<'a> {
    /// The value as an array, if it has that size.
    fn array<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        let size = Malformed::Size { parameter: self.parameter, found: self.value.len() };
        self.value.try_into().map_err(|_| size)
    }

    pub(crate) fn u8(&self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn bytes<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.array()
    }

    /// One byte, of which zero means no.
    pub(crate) fn flag(&self) -> Result<bool, Malformed> {
        Ok(self.u8()? != 0)
    }

    pub(crate) fn text(&self) -> Result<&'a str, Malformed> {
        terminated(self.parameter, self.value)
    }

    /// A text that may be missing: the JavaScript client writes a name that it does not have without even a NUL.
    pub(crate) fn text_or_nothing(&self) -> Result<&'a str, Malformed> {
        if self.value.is_empty() { Ok("") } else { self.text() }
    }

    /// A text for people, up to its NUL. Clients put the names of machines and files there, in whatever encoding.
    pub(crate) fn lossy(&self) -> String {
        let text = self.value.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// A value of the right size that stands for nothing.
    pub(crate) fn meaningless(&self) -> Malformed {
        Malformed::Value(self.parameter)
    }
}

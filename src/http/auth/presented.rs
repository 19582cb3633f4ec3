//! What a request presents itself by: its `Authorization` header, taken apart.
//! Believes nothing of it.

use actix_web::HttpRequest;
use actix_web::http::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tillstream_logins::{Credentials, MAX_CREDENTIALS};

use super::refused::Why;

/// The longest credentials in base64.
const MAX_ENCODED: usize = MAX_CREDENTIALS / 3 * 4;

/// How somebody wants to be known.
#[expect(clippy::large_enum_variant, reason = "it stays on one stack; a box would cost every request an allocation")]
pub enum Presented<'a> {
    /// By a password.
    Basic(Credentials),
    /// By a token.
    Bearer(&'a str),
    /// By something that nobody here understands.
    Other,
    /// There is no `Authorization`.
    Nothing,
}

/// Reads the header.
///
/// # Errors
/// It is there twice, or what follows `Basic` cannot be decoded or is longer than any credentials.
pub fn read(request: &HttpRequest) -> Result<Presented<'_>, Why> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(Presented::Nothing) };
    // A proxy may have looked at the other one.
    if values.next().is_some() {
        return Err(Why::Unreadable);
    }
    if let Some(encoded) = after(b"basic ", value.as_bytes()) {
        return basic(encoded).map(Presented::Basic);
    }
    let token = after(b"bearer ", value.as_bytes()).and_then(|token| std::str::from_utf8(token).ok());
    Ok(token.map_or(Presented::Other, Presented::Bearer))
}

fn basic(encoded: &[u8]) -> Result<Credentials, Why> {
    if encoded.len() > MAX_ENCODED {
        return Err(Why::TooLong);
    }
    let mut decoded = [0_u8; MAX_CREDENTIALS];
    let length = STANDARD.decode_slice(encoded, &mut decoded).map_err(|_| Why::Unreadable)?;
    Credentials::from_basic(decoded, length).ok_or(Why::Unreadable)
}

fn after<'a>(scheme: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (given, rest) = value.split_at_checked(scheme.len())?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim_ascii())
}

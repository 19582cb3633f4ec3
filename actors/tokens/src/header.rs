//! The first part of a token: which algorithm and which key it claims.
//! Believes none of it; the key that is found has to fit the algorithm. Keys inside of a token are not looked at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::error::Refusal;
use crate::object::Object;

/// Longest name of a key that is looked for and remembered.
const LONGEST_KEY_ID: usize = 256;
/// Kinds of tokens that give access: unsaid, a plain JWT, an access token (RFC 9068).
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// What a token says of its signature.
pub struct Header {
    /// The algorithm's name, of any kind.
    pub algorithm: String,
    /// The key's name.
    pub key_id: Option<String>,
}

impl Header {
    /// Reads the first of exactly three parts.
    pub fn of(token: &str) -> Result<Self, Refusal> {
        let mut parts = token.split('.');
        let first = parts.next().unwrap_or_default();
        if parts.next().is_none() || parts.next().is_none() || parts.next().is_some() {
            return Err(Refusal::Malformed);
        }
        let object = decode(first)?;
        if object.get("crit").is_some() {
            return Err(Refusal::Critical);
        }
        if text(&object, "typ")?.is_some_and(|kind| !TYPES.contains(&kind.to_ascii_lowercase().as_str())) {
            return Err(Refusal::Type);
        }
        let algorithm = text(&object, "alg")?.ok_or(Refusal::Malformed)?.to_owned();
        let key_id = text(&object, "kid")?.map(str::to_owned);
        if key_id.as_ref().is_some_and(|name| name.len() > LONGEST_KEY_ID) {
            return Err(Refusal::Malformed);
        }
        Ok(Self { algorithm, key_id })
    }
}

/// The claims of a token whose signature nobody has looked at: good for refusing it, never for letting it in.
pub fn unproven_claims(token: &str) -> Result<Object, Refusal> {
    decode(token.split('.').nth(1).ok_or(Refusal::Malformed)?)
}

fn decode(part: &str) -> Result<Object, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::Malformed)
}

fn text<'a>(object: &'a Object, name: &str) -> Result<Option<&'a str>, Refusal> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::Malformed),
    }
}

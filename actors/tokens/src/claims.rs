//! Reads claims by their types.
//! Does not compare them with anything.

use serde_json::Value;

use crate::error::Refusal;
use crate::object::Object;

/// Longest subject that is taken over into logs.
const LONGEST_SUBJECT: usize = 256;

/// A text that must be there.
pub fn text<'a>(claims: &'a Object, name: &'static str) -> Result<&'a str, Refusal> {
    let claim = claims.get(name).ok_or(Refusal::MissingClaim(name))?;
    claim.as_str().ok_or(Refusal::Malformed)
}

/// Who the token is about, fit for a log line.
pub fn subject(claims: &Object) -> Result<String, Refusal> {
    let subject = text(claims, "sub")?;
    let is_fit = !subject.is_empty() && subject.len() <= LONGEST_SUBJECT && !subject.chars().any(char::is_control);
    if is_fit { Ok(subject.to_owned()) } else { Err(Refusal::Malformed) }
}

/// Seconds since 1970, if the claim is there; a fraction of a second is cut off.
pub fn time(claims: &Object, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(claim) = claims.get(name) else { return Ok(None) };
    // Fractions are allowed by RFC 7519; `as` takes what is out of range to the nearest end.
    #[allow(clippy::cast_possible_truncation)]
    let seconds = claim.as_i64().or_else(|| claim.as_f64().map(|seconds| seconds as i64));
    seconds.map(Some).ok_or(Refusal::Malformed)
}

/// One text, or a list of texts.
pub fn texts<'a>(claims: &'a Object, name: &'static str) -> Result<Vec<&'a str>, Refusal> {
    list(claims.get(name).ok_or(Refusal::MissingClaim(name))?)
}

/// The scopes in all of these claims: words of a text, or a list.
pub fn scopes<'a>(claims: &'a Object, names: &[String]) -> Result<Vec<&'a str>, Refusal> {
    let lists: Result<Vec<_>, _> = names.iter().filter_map(|name| claims.get(name)).map(list).collect();
    Ok(lists?.into_iter().flatten().flat_map(|text| text.split(' ')).collect())
}

fn list(claim: &Value) -> Result<Vec<&str>, Refusal> {
    match claim {
        Value::String(text) => Ok(vec![text]),
        Value::Array(texts) => texts.iter().map(|text| text.as_str().ok_or(Refusal::Malformed)).collect(),
        _ => Err(Refusal::Malformed),
    }
}

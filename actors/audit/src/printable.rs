//! What strangers chose, made fit to be read: short, on one line, and unable to look like something else.
//! Hides nothing: what may not be written at all must not get here.

use serde::Serializer;

/// Of a name that somebody logs in by; no real one is longer.
const MAX_SHOWN: usize = 64;
/// Of what was done: longer than any filter of log lines.
const MAX_TEXT: usize = 1_024;

/// A name. Control characters and those that change the direction of writing are written as escapes, and so are the signs
/// that escapes and quotes are made of.
pub fn printable(name: &str) -> String {
    let mut shown: String = name.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if name.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// A name, on its way into a file.
pub fn as_name<S: Serializer>(name: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&printable(name.as_deref().unwrap_or_default()))
}

/// What was done: quotes stay as they are, because the form of the file or line takes care of them.
pub fn readable(text: &str) -> String {
    let is_quote = |letter: char| matches!(letter, '"' | '\'' | '\\');
    let escaped = |letter: char| if is_quote(letter) { letter.to_string() } else { letter.escape_debug().to_string() };
    let mut shown: String = text.chars().take(MAX_TEXT).map(escaped).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        shown.push('…');
    }
    shown
}

/// What was done, on its way into a file.
pub fn as_text<S: Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&readable(text.as_deref().unwrap_or_default()))
}

//! Writes compact JSON objects in the order of the calls.
//! Does not build a tree: the caller states fields, nested objects and lists as they go out.

use std::fmt::Display;
use std::io::Write;

/// A document under construction.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Writes one object; `capacity` is a guess at its length.
    pub(crate) fn object(capacity: usize, fields: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut writer = Self { out: Vec::with_capacity(capacity) };
        writer.braces(fields);
        writer.out
    }

    /// A string field with any content.
    pub(crate) fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        serde_json::to_writer(&mut self.out, text).expect("a string is written to memory");
    }

    /// A string field whose content needs no escape: ids, times, words of our own.
    pub(crate) fn plain(&mut self, name: &'static str, value: impl Display) {
        self.name(name);
        write!(self.out, "\"{value}\"").expect("memory takes all bytes");
    }

    /// A number or a boolean, as it displays.
    pub(crate) fn bare(&mut self, name: &'static str, value: impl Display) {
        self.name(name);
        write!(self.out, "{value}").expect("memory takes all bytes");
    }

    /// A nested object.
    pub(crate) fn nested(&mut self, name: &'static str, fields: impl FnOnce(&mut Self)) {
        self.name(name);
        self.braces(fields);
    }

    /// A list of objects.
    pub(crate) fn list<T>(&mut self, name: &'static str, elements: &[T], mut fields: impl FnMut(&mut Self, &T)) {
        self.name(name);
        self.out.push(b'[');
        for element in elements {
            self.comma_after(b'[');
            self.braces(|writer| fields(writer, element));
        }
        self.out.push(b']');
    }

    fn braces(&mut self, fields: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        fields(self);
        self.out.push(b'}');
    }

    fn name(&mut self, name: &'static str) {
        self.comma_after(b'{');
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn comma_after(&mut self, opening: u8) {
        if self.out.last() != Some(&opening) {
            self.out.push(b',');
        }
    }
}

//! A JSON object as the raw text of the fields that we know, read in one pass that allocates nothing.
//! Does not interpret a value: whoever knows the field's rule does, and can so report every field on its own.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Place, Report};
use crate::RuleCode;

/// Unknown fields may nest this deep; they are skipped, but no consumer of ours shall ever have to walk an abyss.
const MAX_DEPTH: usize = 64;

/// The known fields of one object.
#[derive(Debug)]
pub(crate) struct Object<'a, 'p, const N: usize> {
    place: &'p Place<'p>,
    names: &'static [&'static str; N],
    values: [Option<&'a str>; N],
}

/// One field: where it is and, if it is there, its JSON text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a, 'p> {
    /// For errors.
    pub(crate) place: Place<'p>,
    /// The value's text, without surrounding blanks.
    pub(crate) text: Option<&'a str>,
}

impl<'a, 'p, const N: usize> Object<'a, 'p, N> {
    /// Reads a whole document that must be an object.
    pub(crate) fn of_document(
        body: &'a [u8],
        names: &'static [&'static str; N],
        report: &mut Report,
    ) -> Option<Object<'a, 'static, N>> {
        let Ok(text) = std::str::from_utf8(body) else {
            report.add(&Place::Body, RuleCode::BodyNotUtf8, "Body should be UTF-8");
            return None;
        };
        match serde_json::from_str::<&RawValue>(text) {
            Err(error) => {
                let message = format!("JSON decode error at line {}, column {}", error.line(), error.column());
                report.add(&Place::Body, RuleCode::BodyNotJson, message);
                None
            }
            Ok(raw) if !raw.get().starts_with('{') => {
                report.add(&Place::Body, RuleCode::BodyNotObject, "Body should be a JSON object");
                None
            }
            Ok(raw) => Object::of_text(raw.get(), &Place::Body, names, report),
        }
    }

    /// Reads a field that must be an object.
    pub(crate) fn of_field(
        field: &'p Field<'a, 'p>,
        names: &'static [&'static str; N],
        report: &mut Report,
    ) -> Option<Self> {
        let text = report.present(field)?;
        if !text.starts_with('{') {
            report.add(&field.place, RuleCode::WrongType, "Input should be an object");
            return None;
        }
        Self::of_text(text, &field.place, names, report)
    }

    /// The field of this name, there or not.
    pub(crate) fn field(&self, name: &'static str) -> Field<'a, 'p> {
        let index = self.names.iter().position(|known| *known == name);
        debug_assert!(index.is_some(), "`{name}` is not in the object's list of names");
        Field { place: Place::Field(self.place, name), text: index.and_then(|found| self.values[found]) }
    }

    fn of_text(
        text: &'a str,
        place: &'p Place<'p>,
        names: &'static [&'static str; N],
        report: &mut Report,
    ) -> Option<Self> {
        let mut object = Self { place, names, values: [None; N] };
        let mut json = serde_json::Deserializer::from_str(text);
        let Ok(flaws) = json.deserialize_map(KnownFields { object: &mut object }) else {
            // Known to be JSON, so it is a key that is no Unicode text.
            report.add(place, RuleCode::TextInvalid, "A key has half of a surrogate pair");
            return None;
        };
        flaws.report_to(report, &object);
        Some(object)
    }
}

/// Reads a field that must be an array: the text of its first `limit` elements, and how many it has.
pub(crate) fn read_list<'a>(field: &Field<'a, '_>, limit: usize, report: &mut Report) -> Option<(Vec<&'a str>, usize)> {
    let text = report.present(field)?;
    let mut json = serde_json::Deserializer::from_str(text);
    match json.deserialize_seq(FirstElements { limit }) {
        Ok(list) => Some(list),
        Err(_) => {
            report.add(&field.place, RuleCode::WrongType, "Input should be a valid list");
            None
        }
    }
}

/// What is wrong with an object's keys, each once: a hostile body repeats them a hundred thousand times.
struct Flaws<const N: usize> {
    repeated: [bool; N],
    too_deep: bool,
}

impl<const N: usize> Flaws<N> {
    fn report_to(&self, report: &mut Report, object: &Object<'_, '_, N>) {
        for (name, _) in object.names.iter().zip(self.repeated).filter(|(_, repeated)| *repeated) {
            let place = Place::Field(object.place, name);
            report.add(&place, RuleCode::DuplicateKey, "Field is there more than once");
        }
        if self.too_deep {
            report.add(object.place, RuleCode::TooDeep, "An unknown field nests too deep");
        }
    }
}

struct KnownFields<'o, 'a, 'p, const N: usize> {
    object: &'o mut Object<'a, 'p, N>,
}

impl<'a, const N: usize> Visitor<'a> for KnownFields<'_, 'a, '_, N> {
    type Value = Flaws<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Flaws<N>, M::Error> {
        let mut flaws = Flaws { repeated: [false; N], too_deep: false };
        while let Some(known) = map.next_key_seed(KnownName(self.object.names))? {
            let text = map.next_value::<&RawValue>()?.get();
            match known {
                Some(index) => flaws.repeated[index] |= self.object.values[index].replace(text).is_some(),
                None => flaws.too_deep |= is_too_deep(text),
            }
        }
        Ok(flaws)
    }
}

struct KnownName<const N: usize>(&'static [&'static str; N]);

impl<'a, const N: usize> DeserializeSeed<'a> for KnownName<N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for KnownName<N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

struct FirstElements {
    limit: usize,
}

impl<'a> Visitor<'a> for FirstElements {
    type Value = (Vec<&'a str>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        let mut elements = Vec::new();
        while elements.len() < self.limit {
            let Some(element) = list.next_element::<&RawValue>()? else {
                let count = elements.len();
                return Ok((elements, count));
            };
            elements.push(element.get());
        }
        let mut count = elements.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok((elements, count))
    }
}

/// Counts brackets outside of strings; the text is known to be JSON.
fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

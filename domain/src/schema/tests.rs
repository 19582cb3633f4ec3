//! Holds schema and rules together: whatever the schema says, the rules are asked about both sides of that border.
//! A keyword that this page does not know fails, so that nobody documents what nobody enforces.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use regex::Regex;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{SampleBody, sample_aggregate, sample_time};
use crate::{RuleError, parse_rfc3339};

/// Rules over several fields, which a schema cannot say; and the clock, which it does not have.
const BEYOND_SCHEMA: &[&str] = &["line_total_mismatch", "window_invalid", "event_id_mismatch", "timestamp_in_future"];

/// Keywords that describe and do not constrain, or that `probe` follows.
const STRUCTURE: &[&str] = &["description", "properties", "items", "$ref"];

/// One valid document, its parser, and the schema of a place in it.
struct Probe<'p> {
    valid: &'p Value,
    errors_of: fn(&[u8]) -> Vec<RuleError>,
    pointer: String,
    schema: Value,
}

#[test]
fn the_transaction_schema_says_what_the_rules_enforce() {
    let valid: Value = serde_json::from_str(&SampleBody::default().to_json()).unwrap();
    let errors_of = |body: &[u8]| Rules::default().check(body, sample_time(0)).err().unwrap_or_default();
    assert_eq!(errors_of(valid.to_string().as_bytes()), []);
    let schema = serde_json::to_value(ValidTransaction::schema()).unwrap();
    Probe { valid: &valid, errors_of, pointer: String::new(), schema }.run();
}

#[test]
fn the_aggregate_schema_says_what_its_parser_enforces() {
    let valid: Value = serde_json::from_slice(&sample_aggregate().to_json()).unwrap();
    let errors_of = |body: &[u8]| AggregatedEvent::from_json(body).err().unwrap_or_default();
    assert_eq!(errors_of(valid.to_string().as_bytes()), []);
    let schema = serde_json::to_value(AggregatedEvent::schema()).unwrap();
    Probe { valid: &valid, errors_of, pointer: String::new(), schema }.run();
}

#[test]
fn the_schema_of_other_rules_has_their_numbers() {
    let rules = Rules { max_store: 250, max_cashier: 12, ..Rules::default() };
    let schema = serde_json::to_value(transaction_schema(&rules)).unwrap();
    let pattern = |field: &str| Regex::new(schema["properties"][field]["pattern"].as_str().unwrap()).unwrap();
    assert!(pattern("store_id").is_match("STORE_250") && !pattern("store_id").is_match("STORE_251"));
    assert!(pattern("cashier_id").is_match("CASHIER_012") && !pattern("cashier_id").is_match("CASHIER_13"));
}

#[test]
fn a_number_pattern_matches_exactly_its_numbers() {
    for max in [1, 9, 10, 11, 19, 20, 99, 100, 101, 250, 999, 1_000] {
        let regex = Regex::new(&format!("^({})$", pattern::one_to(max))).unwrap();
        for number in 0..=1_200_u32 {
            assert_eq!(regex.is_match(&number.to_string()), (1..=max).contains(&number), "{number} of {max}");
        }
    }
}

#[test]
fn referenced_schemas_are_part_of_the_document() {
    let mut schemas = Vec::new();
    ValidTransaction::schemas(&mut schemas);
    let names: Vec<String> = schemas.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Item", "Receipt"]);
    assert_eq!(ValidTransaction::name(), "Transaction");
}

impl Probe<'_> {
    fn run(&self) {
        let Value::Object(keywords) = &self.schema else { panic!("{} has no schema", self.pointer) };
        for (keyword, bound) in keywords {
            match keyword.as_str() {
                "type" => self.only_this_type(bound),
                "required" => {
                    bound.as_array().unwrap().iter().for_each(|name| self.is_required(name.as_str().unwrap()))
                }
                "enum" => self.only_these_words(bound),
                "minLength" => self.border(json!(""), json!("x"), bound == 1),
                "maxLength" => self.max_length(bound.as_u64().unwrap()),
                "minItems" => assert!(bound == 1 && self.is_refused(json!([]))),
                "maxItems" => self.max_items(bound.as_u64().unwrap()),
                "minimum" => self.minimum(bound),
                "maximum" => self.border(json!(bound.as_u64().unwrap() + 1), bound.clone(), true),
                "exclusiveMaximum" => self.border(bound.clone(), json!(bound.as_u64().unwrap() - 1), true),
                "multipleOf" => self.border(json!(2.585), json!(2.58), bound == 0.01),
                "pattern" => self.pattern(&Regex::new(bound.as_str().unwrap()).unwrap()),
                "format" => assert!(bound == "date-time" && self.is_refused(json!("2024-02-30T10:00:00Z"))),
                structure => assert!(STRUCTURE.contains(&structure), "nobody probes `{structure}`"),
            }
        }
        self.below();
    }

    fn below(&self) {
        let properties = self.schema["properties"].as_object().into_iter().flatten();
        let fields = properties.map(|(name, schema)| (format!("{}/{name}", self.pointer), schema));
        let items = self.schema.get("items").map(|schema| (format!("{}/0", self.pointer), schema));
        for (pointer, schema) in fields.chain(items) {
            let schema = match schema["$ref"].as_str() {
                Some("#/components/schemas/Item") => serde_json::to_value(Item::schema()).unwrap(),
                Some("#/components/schemas/Receipt") => serde_json::to_value(Receipt::schema()).unwrap(),
                Some(unknown) => panic!("{unknown}"),
                None => schema.clone(),
            };
            Probe { pointer, schema, ..*self }.run();
        }
    }

    /// Whether the parser has something to say about this value at this place that a schema could have said.
    fn is_refused(&self, value: Value) -> bool {
        let mut body = self.valid.clone();
        *body.pointer_mut(&self.pointer).unwrap() = value;
        self.objections(&body).iter().any(|error| error.pointer == self.pointer)
    }

    fn objections(&self, body: &Value) -> Vec<RuleError> {
        let errors = (self.errors_of)(body.to_string().as_bytes());
        errors.into_iter().filter(|error| !BEYOND_SCHEMA.contains(&error.code)).collect()
    }

    fn border(&self, outside: Value, inside: Value, bound_is_known: bool) {
        assert!(bound_is_known, "{}: a bound that this page does not expect", self.pointer);
        assert!(self.is_refused(outside.clone()), "{}: {outside} passes", self.pointer);
        assert!(!self.is_refused(inside.clone()), "{}: {inside} is refused", self.pointer);
    }

    fn only_this_type(&self, name: &Value) {
        let values = [json!(null), json!(true), json!(3), json!("3"), json!([]), json!({}), json!(2.5)];
        for value in values {
            let other = match name.as_str().unwrap() {
                "string" => !value.is_string(),
                "integer" => !value.is_u64(),
                "number" => !value.is_number(),
                "array" => !value.is_array(),
                "object" => !value.is_object(),
                "boolean" => !value.is_boolean(),
                unknown => panic!("{unknown}"),
            };
            assert!(!other || self.is_refused(value.clone()), "{}: {value} passes", self.pointer);
        }
    }

    fn is_required(&self, name: &str) {
        let mut body = self.valid.clone();
        body.pointer_mut(&self.pointer).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        let errors = self.objections(&body);
        let pointer = format!("{}/{name}", self.pointer);
        assert!(errors.iter().any(|error| error.code == "field_missing" && error.pointer == pointer), "{pointer}");
    }

    fn only_these_words(&self, words: &Value) {
        for word in words.as_array().unwrap() {
            assert!(!self.is_refused(word.clone()), "{}: {word}", self.pointer);
            assert!(self.is_refused(json!(word.as_str().unwrap().to_uppercase())));
        }
    }

    fn max_length(&self, max: u64) {
        let of = |len: u64| "x".repeat(usize::try_from(len).unwrap());
        assert!(self.is_refused(json!(of(max + 1))), "{}: longer than {max}", self.pointer);
        if self.schema["pattern"].is_null() {
            assert!(!self.is_refused(json!(of(max))) && !self.is_refused(json!("ä".repeat(of(max).len()))));
        }
    }

    fn max_items(&self, max: u64) {
        let first = self.valid.pointer(&self.pointer).unwrap()[0].clone();
        let of = |len: u64| Value::Array(vec![first.clone(); usize::try_from(len).unwrap()]);
        self.border(of(max + 1), of(max), true);
    }

    fn minimum(&self, bound: &Value) {
        let below = if bound == 0.01 { json!(0.009) } else { json!(bound.as_i64().unwrap() - 1) };
        self.border(below, bound.clone(), true);
    }

    /// Both directions: near misses of all patterns, and texts made of this one (whose dates need not exist).
    fn pattern(&self, regex: &Regex) {
        let longest = self.schema["maxLength"].as_u64().unwrap();
        let fits = |text: &str| text.chars().count() as u64 <= longest && regex.is_match(text);
        for text in NEAR_MISSES {
            assert_eq!(self.is_refused(json!(text)), !fits(text), "{}: {text:?}", self.pointer);
        }
        for text in matching(regex) {
            let exists = self.schema["format"].is_null() || parse_rfc3339(&text).is_some();
            assert_eq!(self.is_refused(json!(text)), !(fits(&text) && exists), "{}: {text:?}", self.pointer);
        }
    }
}

fn matching(regex: &Regex) -> Vec<String> {
    let inner = regex.as_str().trim_start_matches('^').trim_end_matches('$');
    let strategy = proptest::string::string_regex(inner).unwrap();
    let mut runner = TestRunner::deterministic();
    (0..200).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

const NEAR_MISSES: &[&str] = &[
    "",
    " ",
    "x",
    "a/b",
    "STORE_1",
    "STORE_01",
    "STORE_10",
    "STORE_11",
    "STORE_0",
    "STORE_1\n",
    " STORE_1",
    "STORE_999999",
    "STORE_1000000",
    "store_1",
    "STORE_\u{0663}",
    "CASHIER_8",
    "CASHIER_08",
    "CASHIER_9",
    "CASHIER_1.0",
    "EUR",
    "eur",
    "EURO",
    "3FA85F64-5717-4562-B3FC-2C963F66AFA6",
    "3fa85f6457174562b3fc2c963f66afa6",
    "{3fa85f64-5717-4562-b3fc-2c963f66afa6}",
    "{3fa85f6457174562b3fc2c963f66afa6}",
    "urn:uuid:3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "URN:UUID:3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "3fa85f64-5717-4562-b3fc-2c963f66afag",
    "2024-11-15T10:00:00Z",
    "2024-11-15t10:00:00.123z",
    "2024-11-15T10:00:00+01:00",
    "2024-11-15T10:00:00+0100",
    "2024-11-15T10:00:00",
    "2024-11-15 10:00:00Z",
    "2024-11-15T10:00Z",
    "+2024-11-15T10:00:00Z",
    "2024-11-15T10:00:00\u{2212}01:00",
    "1998-11-15T10:00:00Z",
    "1999-11-15T10:00:00Z",
    "2201-11-15T10:00:00Z",
    "2202-11-15T10:00:00Z",
];

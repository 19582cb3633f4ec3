//! Each line as a collector reads it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing::{error, info};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::*;

const IDS: TraceIds = TraceIds { trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span: 0x00f0_67aa_0ba9_02b7 };

/// Formats every event as one of this trace.
struct Lines(Option<TraceIds>, Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.1.lock().unwrap().push(line(event, self.0));
    }
}

/// The line of one event, without the time.
fn written(ids: Option<TraceIds>, log: impl FnOnce()) -> Value {
    let lines = Arc::default();
    let layer = Lines(ids, Arc::clone(&lines));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
    let lines = lines.lock().unwrap();
    assert_eq!((lines.len(), lines[0].matches('\n').count()), (1, 1), "{lines:?}");
    let mut line: Value = serde_json::from_str(&lines[0]).unwrap();
    let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(time.as_str().unwrap().parse::<chrono::DateTime<Utc>>().is_ok(), "{time}");
    line
}

#[test]
fn a_line_has_level_target_message_and_fields_with_their_types() {
    let written = written(
        None,
        || info!(target: "here", count = 7, store.id = "STORE_1", ok = true, gone = ?None::<u8>, "two\n\"lines\""),
    );
    let expected = json!({
        "level": "INFO",
        "target": "here",
        "message": "two\n\"lines\"",
        "store.id": "STORE_1",
        "count": 7,
        "ok": true,
        "gone": "None",
    });
    assert_eq!(written, expected);
}

#[test]
fn a_line_within_a_trace_says_which_and_a_line_without_one_says_nothing() {
    let log = || info!("x");
    let with = written(Some(IDS), log);
    assert_eq!(with["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(with["span_id"], "00f067aa0ba902b7");
    let without = written(None, log);
    assert!(without.get("trace_id").is_none() && without.get("span_id").is_none(), "{without}");
}

#[test]
fn an_event_that_names_its_trace_itself_is_believed() {
    let line = written(Some(IDS), || info!(trace_id = "another", "x"));
    assert_eq!((&line["trace_id"], line.get("span_id")), (&json!("another"), None), "a span of no such trace");
}

#[test]
fn a_field_cannot_pretend_to_be_what_the_line_says_of_itself() {
    let line = written(None, || error!(target: "here", level = "INFO", target = "there", "x"));
    assert_eq!((&line["level"], &line["target"]), (&json!("ERROR"), &json!("here")));
    assert_eq!((&line["field.level"], &line["field.target"]), (&json!("INFO"), &json!("there")));
}

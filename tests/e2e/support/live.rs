//! A page that is open: it reads the stream of events and knows what the live model is.
//! Renders nothing; a browser does elsewhere.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::TestApp;

/// No stream is silent for so long, even on a busy machine.
const SPEAKS_WITHIN: Duration = Duration::from_secs(60);
/// What is waited for has come by then.
const COMES_WITHIN: Duration = Duration::from_secs(120);

/// One event as it came.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its number, where it has one.
    pub id: Option<String>,
    /// Its kind.
    pub name: String,
    /// Its document.
    pub data: Value,
}

/// An open page.
#[derive(Debug)]
pub struct LivePage {
    answer: Response,
    text: String,
    events: VecDeque<Event>,
    /// What it knows.
    pub model: Value,
    /// The last event that had a number.
    pub last: Option<String>,
}

impl TestApp {
    /// The answer to whoever wants to watch.
    pub async fn watch(&self, user: &str, last: Option<&str>) -> Response {
        let (name, password) = self.users().named(user);
        // A stream has no end, so it has no deadline as a whole.
        let client = self.setup().client().build().unwrap();
        let request = client.get(format!("{}/api/v1/events", self.url())).basic_auth(name, Some(password));
        let request = last.iter().fold(request, |request, id| request.header("last-event-id", *id));
        timeout(SPEAKS_WITHIN, request.send()).await.expect("stuck: no answer to a stream's request").unwrap()
    }

    /// Opens a page.
    pub async fn open_page(&self, user: &str, last: Option<&str>) -> LivePage {
        let answer = self.watch(user, last).await;
        assert_eq!(answer.status(), 200);
        LivePage { answer, text: String::new(), events: VecDeque::new(), model: Value::Null, last: None }
    }
}

impl LivePage {
    /// The next event; `None` once the stream has ended.
    pub async fn next(&mut self) -> Option<Event> {
        while self.events.is_empty() {
            let chunk = timeout(SPEAKS_WITHIN, self.answer.chunk()).await.expect("stuck: the stream says nothing");
            // A server that is killed ends the stream in the middle.
            let chunk = chunk.ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                self.events.extend(parse(event));
                self.text = rest.to_owned();
            }
        }
        let event = self.events.pop_front()?;
        self.take(&event);
        Some(event)
    }

    /// Reads on until the model is as wanted.
    pub async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> Option<T>) -> T {
        let reading = async {
            loop {
                if let Some(found) = wanted(&self.model) {
                    return found;
                }
                assert!(self.next().await.is_some(), "the stream ended before {what}");
            }
        };
        match timeout(COMES_WITHIN, reading).await {
            Ok(found) => found,
            Err(_) => panic!("stuck: the page does not show {what}: {:#}", self.model),
        }
    }

    fn take(&mut self, event: &Event) {
        match event.name.as_str() {
            "snapshot" => self.model = event.data.clone(),
            "change" => merge(&mut self.model, &event.data),
            _ => {}
        }
        self.last = event.id.clone().or(self.last.take());
    }
}

/// An event's fields; none for a comment or a hint.
fn parse(text: &str) -> Option<Event> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let (name, data) = (field("event: ")?, field("data: ")?);
    Some(Event { id: field("id: "), name, data: serde_json::from_str(&data).unwrap() })
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return target.clone_from(patch) };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let members = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

//! The books as a person with all receipts and a calculator would keep them, to compare what the room has published with.
//! A batch over documents: shares no code with the product, neither its types nor its parsers nor its windows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use serde_json::Value;

const WINDOW_MS: i64 = 10_000;

/// Store and window start.
type Window = (String, i64);

/// Count and cents.
pub type Turnover = BTreeMap<Window, (u64, i64)>;

/// Every receipt that was ever on the queue. Of two with one id the first holds.
#[derive(Debug, Default)]
pub struct Receipts {
    booked: BTreeMap<String, (Window, i64)>,
    /// Same id, another store or amount.
    refused: BTreeSet<(String, String, i64)>,
    unreadable: BTreeSet<Vec<u8>>,
}

/// What the room has published, as documents.
#[derive(Debug, Default)]
pub struct Published {
    pub aggregates: Vec<Vec<u8>>,
    pub late: Vec<Vec<u8>>,
    pub rejected: Vec<Vec<u8>>,
}

impl Receipts {
    pub fn add(&mut self, payload: &[u8]) {
        let Some((id, window, cents)) = read(payload) else {
            self.unreadable.insert(payload.to_vec());
            return;
        };
        let known = self.booked.entry(id.clone()).or_insert_with(|| (window.clone(), cents));
        if (&known.0.0, known.1) != (&window.0, cents) {
            self.refused.insert((id, window.0, cents));
        }
    }

    pub fn turnover(&self) -> Turnover {
        let mut turnover = Turnover::new();
        for (window, cents) in self.booked.values() {
            add(&mut turnover, window.clone(), 1, *cents);
        }
        turnover
    }

    /// What is wrong with the room's books; nothing, if all is well.
    pub fn complaints(&self, published: &Published) -> Vec<String> {
        let mut complaints = Vec::new();
        let counted = published.turnover(&mut complaints);
        let expected = self.turnover();
        for window in expected.keys().chain(counted.keys()).collect::<BTreeSet<_>>() {
            let (right, told) = (expected.get(window), counted.get(window));
            if right != told {
                complaints.push(format!("{window:?}: (count, cents) are {told:?}, must be {right:?}"));
            }
        }
        let (conflicts, poison) = published.refused();
        if conflicts != self.refused {
            complaints.push(format!("conflicts are {conflicts:?}, must be {:?}", self.refused));
        }
        if poison.len() != self.unreadable.len() {
            complaints.push(format!("{} messages are poison, must be {}", poison.len(), self.unreadable.len()));
        }
        complaints
    }
}

impl Published {
    /// The final event of every window plus its late sales.
    pub fn turnover(&self, complaints: &mut Vec<String>) -> Turnover {
        let mut turnover = Turnover::new();
        for (window, event) in self.finals(complaints) {
            add(&mut turnover, window, number(&event, "transaction_count"), cents_of(&event));
        }
        let late: BTreeMap<String, (Window, i64)> =
            self.late.iter().filter_map(|payload| read(payload)).map(|(id, of, cents)| (id, (of, cents))).collect();
        for (window, cents) in late.into_values() {
            add(&mut turnover, window, 1, cents);
        }
        turnover
    }

    fn finals(&self, complaints: &mut Vec<String>) -> BTreeMap<Window, Value> {
        let mut finals = BTreeMap::new();
        let mut open = BTreeSet::new();
        for document in &self.aggregates {
            let event: Value = serde_json::from_slice(document).unwrap();
            let window = (text(&event, "store_id"), millis(&text(&event, "window_start")));
            if event["final"] != Value::Bool(true) {
                open.insert(window);
                continue;
            }
            let first = finals.entry(window.clone()).or_insert_with(|| event.clone());
            if *first != event {
                complaints.push(format!("two final events of {window:?}: {first} and {event}"));
            }
        }
        let never = open.into_iter().filter(|window| !finals.contains_key(window));
        complaints.extend(never.map(|window| format!("{window:?} never became final")));
        finals
    }

    fn refused(&self) -> (BTreeSet<(String, String, i64)>, BTreeSet<String>) {
        let (mut conflicts, mut poison) = (BTreeSet::new(), BTreeSet::new());
        for document in &self.rejected {
            let message: Value = serde_json::from_slice(document).unwrap();
            let id = text(&message, "message_id");
            match &*text(&message, "reason") {
                "conflict" => drop(conflicts.insert((id, text(&message, "store_id"), cents_of(&message)))),
                _ => drop(poison.insert(id)),
            }
        }
        (conflicts, poison)
    }
}

fn add(turnover: &mut Turnover, window: Window, count: u64, cents: i64) {
    let entry = turnover.entry(window).or_default();
    entry.0 += count;
    entry.1 += cents;
}

/// Id, window and cents of a sale's document.
fn read(payload: &[u8]) -> Option<(String, Window, i64)> {
    let sale: Value = serde_json::from_slice(payload).ok()?;
    let at = millis(sale.get("timestamp")?.as_str()?);
    sale.get("transaction_id")?;
    let window = (text(&sale, "store_id"), at.div_euclid(WINDOW_MS) * WINDOW_MS);
    Some((text(&sale, "transaction_id"), window, cents_of(&sale)))
}

fn text(document: &Value, key: &str) -> String {
    document[key].as_str().unwrap_or_default().to_owned()
}

fn number(document: &Value, key: &str) -> u64 {
    document[key].as_u64().unwrap()
}

/// From the digits, without arithmetic on fractions.
fn cents_of(document: &Value) -> i64 {
    let digits = document["total_amount"].to_string();
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}

fn millis(time: &str) -> i64 {
    DateTime::parse_from_rfc3339(time).map_or(i64::MIN, |time| time.timestamp_millis())
}

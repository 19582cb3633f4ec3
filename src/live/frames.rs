//! The newest model and the changes that led to it, each written once for all pages.
//! Does not know who has seen what: a page names the last frame that it has and gets what it lacks.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::patch::diff;

/// Changes that a page which lost its connection can catch up with.
const KEPT: usize = 64;
/// Their bytes.
const KEPT_BYTES: usize = 4 * 1024 * 1024;
/// An older model is no beginning: it was built for pages that have left since.
const YOUNG: Duration = Duration::from_secs(3);

/// The newest frames of one process.
#[derive(Debug)]
pub struct Frames {
    /// Tells this process from the one before it.
    epoch: String,
    /// Number of the newest frame, from 1.
    number: u64,
    model: Value,
    built: Option<Instant>,
    /// The model as a frame, once a page has asked for it.
    snapshot: Option<Bytes>,
    /// What led to the newest frame, oldest first, without a gap.
    changes: VecDeque<Bytes>,
    bytes: usize,
}

/// What a page gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    /// As it is sent.
    pub bytes: Bytes,
    /// The newest frame in it.
    pub number: u64,
    /// How many changes it holds; none where it is the whole model.
    pub changes: u64,
    /// How many changes were passed over.
    pub skipped: u64,
}

impl Frames {
    /// No model yet.
    pub fn new(epoch: String) -> Self {
        Self { epoch, number: 0, model: Value::Null, built: None, snapshot: None, changes: VecDeque::new(), bytes: 0 }
    }

    /// The next model.
    pub fn push(&mut self, model: Value, now: Instant) -> u64 {
        self.number += 1;
        if self.built.is_some() {
            let change = self.frame("change", &diff(&self.model, &model));
            self.bytes += change.len();
            self.changes.push_back(change);
        }
        while self.changes.len() > KEPT || self.bytes > KEPT_BYTES {
            self.bytes -= self.changes.pop_front().map_or(0, |change| change.len());
        }
        (self.model, self.built, self.snapshot) = (model, Some(now), None);
        self.number
    }

    /// The frame that an event id names, if it is one of this process.
    pub fn number_of(&self, event_id: &str) -> Option<u64> {
        let number = event_id.strip_prefix(&self.epoch)?.strip_prefix('-')?.parse().ok()?;
        (number <= self.number).then_some(number)
    }

    /// What somebody lacks who has `seen` this frame; `None` while there is nothing to tell.
    pub fn after(&mut self, seen: Option<u64>, now: Instant) -> Option<Portion> {
        let built = self.built?;
        if seen == Some(self.number) {
            return None;
        }
        let missed = seen.map_or(0, |seen| self.number - seen);
        if let Some(bytes) = seen.and_then(|_| self.newest(missed)) {
            return Some(Portion { bytes, number: self.number, changes: missed, skipped: 0 });
        }
        if now.saturating_duration_since(built) > YOUNG {
            return None;
        }
        let bytes = self.snapshot();
        Some(Portion { bytes, number: self.number, changes: 0, skipped: missed })
    }

    /// The newest changes in one piece, unless some are forgotten or the whole model is shorter.
    fn newest(&mut self, count: u64) -> Option<Bytes> {
        let first = self.changes.len().checked_sub(usize::try_from(count).ok()?)?;
        if count == 1 {
            return self.changes.back().cloned();
        }
        let length = self.changes.range(first..).map(Bytes::len).sum::<usize>();
        if length > self.snapshot().len() {
            return None;
        }
        Some(self.changes.range(first..).flat_map(|change| change.iter().copied()).collect())
    }

    fn snapshot(&mut self) -> Bytes {
        if self.snapshot.is_none() {
            self.snapshot = Some(self.frame("snapshot", &self.model));
        }
        self.snapshot.clone().unwrap_or_default()
    }

    /// As server-sent events have it; a document in one line is one line of data.
    fn frame(&self, event: &str, document: &Value) -> Bytes {
        format!("id: {}-{}\nevent: {event}\ndata: {document}\n\n", self.epoch, self.number).into()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::super::patch::tests::apply;
    use super::*;

    fn frames_for_test() -> Frames {
        Frames::new("e".to_owned())
    }

    fn model(number: u64) -> Value {
        json!({"at": number, "long": "x".repeat(500), format!("k{}", number % 3): number})
    }

    /// What a page knows after these bytes.
    pub(in crate::live) fn read(mut known: Value, bytes: &Bytes) -> Value {
        let text = std::str::from_utf8(bytes).unwrap();
        for event in text.split_terminator("\n\n") {
            let data = event.split_once("data: ").unwrap().1;
            let document: Value = serde_json::from_str(data).unwrap();
            known = if event.contains("event: snapshot") { document } else { apply(known, &document) };
        }
        known
    }

    #[test]
    fn a_page_that_comes_at_any_time_and_looks_at_any_time_knows_the_newest_model() {
        let (mut frames, now) = (frames_for_test(), Instant::now());
        let mut pages: Vec<(Option<u64>, Value)> = Vec::new();
        for number in 1..300 {
            frames.push(model(number), now);
            if number % 7 == 1 {
                pages.push((None, Value::Null));
            }
            for (index, (seen, known)) in pages.iter_mut().enumerate() {
                // Each looks as often as it is fast.
                if number % (index as u64 + 1) == 0 {
                    let portion = frames.after(*seen, now).unwrap();
                    (*seen, *known) = (Some(portion.number), read(known.take(), &portion.bytes));
                    assert_eq!(*known, model(number));
                }
            }
        }
    }

    #[test]
    fn whoever_was_away_for_a_short_time_gets_what_was_missed_and_for_a_long_time_everything() {
        let (mut frames, now) = (frames_for_test(), Instant::now());
        for number in 1..=3 {
            frames.push(model(number), now);
        }
        let id = frames.number_of("e-1").unwrap();
        let portion = frames.after(Some(id), now).unwrap();
        assert_eq!((portion.changes, portion.skipped, portion.number), (2, 0, 3));
        assert!(portion.bytes.starts_with(b"id: e-2\nevent: change\ndata: {"), "{portion:?}");

        for number in 4..=100 {
            frames.push(model(number), now);
        }
        let portion = frames.after(Some(id), now).unwrap();
        assert_eq!((portion.changes, portion.skipped), (0, 99));
        assert!(portion.bytes.starts_with(b"id: e-100\nevent: snapshot\ndata: {"));
    }

    #[test]
    fn the_id_of_another_process_or_of_a_frame_to_come_names_nothing() {
        let mut frames = frames_for_test();
        frames.push(model(1), Instant::now());
        for id in ["f-1", "e-2", "e1", "", "e-", "e--1", "e-x"] {
            assert_eq!(frames.number_of(id), None, "{id}");
        }
        assert_eq!(frames.number_of("e-1"), Some(1));
    }

    #[test]
    fn nobody_begins_with_a_model_that_was_built_for_others_long_ago() {
        let (mut frames, now) = (frames_for_test(), Instant::now());
        assert_eq!(frames.after(None, now), None);
        frames.push(model(1), now);
        assert_eq!(frames.after(None, now + YOUNG * 2), None);
        assert!(frames.after(None, now + YOUNG).is_some());
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_in_bytes() {
        let (mut frames, now) = (frames_for_test(), Instant::now());
        for number in 0..200 {
            frames.push(json!({"at": number}), now);
        }
        assert_eq!(frames.changes.len(), KEPT);
        for number in 0..200 {
            frames.push(json!({"at": "x".repeat(200_000), "n": number}), now);
            frames.push(json!({"n": number}), now);
        }
        assert!(frames.bytes <= KEPT_BYTES && frames.bytes == frames.changes.iter().map(Bytes::len).sum::<usize>());
    }
}

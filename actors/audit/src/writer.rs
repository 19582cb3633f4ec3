//! The thread that writes: whatever waits goes to the files in one step, and what cannot be written is counted and said once.
//! Nobody waits for it but who asks for a flush.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use chrono::Utc;
use tracing::{error, info};

use crate::files::Files;
use crate::metrics::{LOST, RECORDS};
use crate::record::{Record, Series, Verdict};
use crate::trail::Order;

/// Bytes that are written at once.
const MAX_BATCH: usize = 256 << 10;

/// Owns the files.
pub struct Writer {
    files: Files,
    /// Set by whoever finds the queue full.
    is_full: Arc<AtomicBool>,
    /// Records lost since that was said; none while all is well.
    trouble: Option<u64>,
}

/// What goes to the files in one step.
#[derive(Default)]
struct Batch {
    text: [Vec<u8>; Series::ALL.len()],
    verdicts: [HashMap<Verdict, u64>; Series::ALL.len()],
    flushes: Vec<Sender<()>>,
}

// === impl Writer ===

impl Writer {
    /// Of these files.
    pub const fn new(files: Files, is_full: Arc<AtomicBool>) -> Self {
        Self { files, is_full, trouble: None }
    }

    /// Until nobody is left who could hand in a record.
    pub fn run(&mut self, orders: &Receiver<Order>) {
        // Whoever set a directory that cannot be written hears it now, and not with the first refusal.
        self.write(Batch::default());
        while let Ok(first) = orders.recv() {
            let mut batch = Batch::default();
            batch.add(first);
            while batch.has_room() {
                let Ok(order) = orders.try_recv() else {
                    self.is_full.store(false, Ordering::Relaxed);
                    break;
                };
                batch.add(order);
            }
            self.write(batch);
        }
    }

    fn write(&mut self, batch: Batch) {
        for (index, series) in Series::ALL.into_iter().enumerate() {
            let (text, verdicts) = (&batch.text[index], &batch.verdicts[index]);
            match self.files.append(series, text, Utc::now()) {
                Ok(()) => self.wrote(verdicts),
                Err(error) => self.lost(verdicts.values().sum(), &error),
            }
        }
        for flush in batch.flushes {
            // Whoever asked may have gone.
            let _ = flush.send(());
        }
    }

    fn wrote(&mut self, verdicts: &HashMap<Verdict, u64>) {
        for (verdict, records) in verdicts {
            RECORDS.with_label_values(&[verdict.name()]).inc_by(*records);
        }
        if !verdicts.is_empty()
            && let Some(lost) = self.trouble.take()
        {
            info!(audit.lost = lost, "audit records are written again, {lost} are lost");
        }
    }

    /// Says it once: a full disk may stay full for days.
    fn lost(&mut self, records: u64, error: &std::io::Error) {
        LOST.inc_by(records);
        if let Some(lost) = &mut self.trouble {
            *lost += records;
            return;
        }
        self.trouble = Some(records);
        let directory = self.files.directory().display();
        error!(%error, "audit records cannot be written to `{directory}` and are lost until they can: make room or put its rights right");
    }
}

// === impl Batch ===

impl Batch {
    fn has_room(&self) -> bool {
        self.text.iter().all(|text| text.len() < MAX_BATCH) && self.flushes.is_empty()
    }

    fn add(&mut self, order: Order) {
        match order {
            Order::Write(record, _seat) => self.add_record(&record),
            Order::Flush(done) => self.flushes.push(done),
        }
    }

    fn add_record(&mut self, record: &Record) {
        let index = record.verdict.series() as usize;
        serde_json::to_writer(&mut self.text[index], record).expect("a record of plain fields can be written");
        self.text[index].push(b'\n');
        *self.verdicts[index].entry(record.verdict).or_default() += 1;
    }
}

//! The newest sales and windows as both of reporting's queues have told of them, for questions about one sale.
//! Nothing counts from it: it is memory that the process may lose, shared by all incarnations of both actors.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tillstream_domain::{StoreId, TransactionId};
use tokio::time::Instant;
use uuid::Uuid;

use super::notes::{Note, SaleNote, WindowNote};
use super::recent::Recent;
use crate::metrics;
use crate::settings::ReportingSettings;

/// A window of a store, by its start in microseconds since the epoch.
type WindowKey = (StoreId, i64);

/// Clones share the pages.
#[derive(Debug, Clone)]
pub(crate) struct JourneyBook {
    pages: Arc<Mutex<Pages>>,
    /// How many sales it holds at most.
    pub(crate) newest: usize,
}

#[derive(Debug)]
struct Pages {
    sales: Recent<Uuid, SaleNote>,
    windows: Recent<WindowKey, WindowNote>,
}

impl JourneyBook {
    /// Empty; holds as much as the settings say.
    pub(crate) fn new(settings: &ReportingSettings) -> Self {
        let (newest, within, now) = (settings.journeys, settings.journeys_for, Instant::now());
        let pages = Pages { sales: Recent::new(newest, within, now), windows: Recent::new(newest, within, now) };
        metrics::show_journeys(0);
        Self { pages: Arc::new(Mutex::new(pages)), newest }
    }

    /// Takes note of what a commit has made durable; `at` is when its messages were read.
    pub(crate) fn add(&self, notes: Vec<Note>, at: DateTime<Utc>, now: Instant) {
        if notes.is_empty() {
            return;
        }
        let mut pages = self.pages();
        for note in notes {
            pages.add(note, at, now);
        }
        metrics::show_journeys(pages.sales.len());
    }

    /// Lets go of what has been here for long enough.
    pub(crate) fn forget(&self, now: Instant) {
        let mut pages = self.pages();
        pages.sales.forget(now);
        pages.windows.forget(now);
        metrics::show_journeys(pages.sales.len());
    }

    /// What is known of a sale.
    pub(crate) fn sale(&self, id: TransactionId, now: Instant) -> Option<SaleNote> {
        self.pages().sales.get(&id.uuid(), now).cloned()
    }

    /// When a window was told of.
    pub(crate) fn window(&self, key: WindowKey, now: Instant) -> WindowNote {
        self.pages().windows.get(&key, now).copied().unwrap_or_default()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn add(&mut self, note: Note, at: DateTime<Utc>, now: Instant) {
        let sale = match &note {
            Note::Window(event) => {
                let key = (event.store_id, event.window_start.timestamp_micros());
                let window = self.windows.entry(key, now, WindowNote::default);
                return window.into_iter().for_each(|window| window.tell(event, at));
            }
            Note::Again(published) => {
                let known = self.sales.get_mut(&published.sale.id.uuid(), now);
                return known.into_iter().for_each(|known| known.paid(published, at));
            }
            Note::Paid(published) | Note::Failed(published) => published.sale,
            Note::Refused(sale, _) | Note::Late(sale) => *sale,
        };
        let Some(known) = self.sales.entry(sale.id.uuid(), now, || SaleNote::of(&sale)) else { return };
        match note {
            Note::Paid(published) => known.paid(&published, at),
            Note::Failed(published) => known.failed(&published, at),
            Note::Refused(_, detail) => known.refused(&sale, detail, at),
            Note::Late(_) => known.late(&sale, at),
            Note::Window(_) | Note::Again(_) => {}
        }
    }
}

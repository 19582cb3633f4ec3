//! Fetches many rows as pages, so that neither this process nor the reporting actor holds a million of them.
//! Does not render.

use std::time::Duration;

use chrono::TimeDelta;
use tillstream_messages::{QueryTurnover, TurnoverRow};

use crate::http::doors::Door;
use crate::http::errors::ApiError;

/// Rows asked for at once.
const PAGE: usize = 5_000;
/// Windows start on whole microseconds.
const STEP: TimeDelta = TimeDelta::microseconds(1);

/// The pages of one query.
pub struct Pages {
    /// Where to ask.
    door: Door<QueryTurnover>,
    /// The question; `to` moves down from page to page.
    query: QueryTurnover,
    /// Rows still wanted.
    remaining: usize,
    /// Grows when one instant has more windows than fit.
    page: usize,
    /// How long one page may take.
    within: Duration,
}

impl Pages {
    /// The pages of `query`.
    pub const fn new(door: Door<QueryTurnover>, query: QueryTurnover, within: Duration) -> Self {
        Self { door, remaining: query.limit, query, page: PAGE, within }
    }

    /// Whether the last page has been taken.
    pub const fn is_done(&self) -> bool {
        self.remaining == 0
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// 503 when reporting does not answer.
    pub async fn next(&mut self) -> Result<Option<Vec<TurnoverRow>>, ApiError> {
        while !self.is_done() {
            let asked = self.page.min(self.remaining);
            let query = QueryTurnover { limit: asked, ..self.query.clone() };
            let rows = self.door.ask(query, self.within).await??;
            if asked == self.remaining || rows.len() < asked {
                self.remaining = 0;
                return Ok(Some(rows));
            }
            if let Some(whole) = self.cut(rows) {
                return Ok(Some(whole));
            }
            self.page *= 2;
        }
        Ok(None)
    }

    /// Keeps the instants that are complete on this page; the last one may go on and comes again on the next.
    fn cut(&mut self, mut rows: Vec<TurnoverRow>) -> Option<Vec<TurnoverRow>> {
        let last = rows.last()?.event.window_start;
        let complete = rows.iter().position(|row| row.event.window_start == last).filter(|rows| *rows > 0)?;
        rows.truncate(complete);
        self.remaining -= complete;
        self.query.to = Some(last + STEP);
        Some(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use tillstream_domain::Money;
    use tillstream_supervision::Port;

    use super::*;
    use crate::http::turnover::rows::row_for_test;

    /// Reporting as a sorted list: `stores` windows at each of `instants` instants, newest first.
    fn door_for_test(instants: i64, stores: u32) -> (Door<QueryTurnover>, Arc<Vec<TurnoverRow>>) {
        let start = |instant: i64| DateTime::from_timestamp(instant * 10, 0).unwrap();
        let all = (0..instants).rev().flat_map(|instant| {
            (1..=stores).map(move |store| row_for_test(store, start(instant), Money::from_cents(100)))
        });
        let all = Arc::new(all.collect::<Vec<_>>());
        let rows = all.clone();
        let port = Port::from_fn(move |query: QueryTurnover| {
            let fits = |row: &&TurnoverRow| query.to.is_none_or(|to| row.event.window_start < to);
            Ok(rows.iter().filter(fits).take(query.limit).cloned().collect())
        });
        (port.into(), all)
    }

    async fn fetch(door: Door<QueryTurnover>, limit: usize) -> Vec<TurnoverRow> {
        let query = QueryTurnover { limit, ..QueryTurnover::default() };
        let mut pages = Pages::new(door, query, Duration::from_secs(1));
        let mut fetched = Vec::new();
        while let Some(rows) = pages.next().await.unwrap() {
            fetched.extend(rows);
        }
        fetched
    }

    #[tokio::test]
    async fn no_window_is_lost_or_told_twice_between_pages() {
        let (door, all) = door_for_test(2_000, 7);
        assert_eq!(fetch(door, 1_000_000).await, *all);
    }

    #[tokio::test]
    async fn the_limit_holds_across_pages() {
        let (door, all) = door_for_test(2_000, 7);
        assert_eq!(fetch(door, 11_003).await, all[..11_003]);
    }

    #[tokio::test]
    async fn more_stores_than_a_page_has_rows_are_fetched_all() {
        let (door, all) = door_for_test(3, 12_000);
        assert_eq!(fetch(door, 1_000_000).await, *all);
    }

    #[tokio::test]
    async fn an_empty_store_has_one_empty_page() {
        let (door, _) = door_for_test(0, 1);
        assert!(fetch(door, 10).await.is_empty());
    }
}

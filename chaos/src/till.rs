//! A till that sends one sale, again and again with the same id, until the service has answered it with 200.
//! Does not choose sales and keeps no pace.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use reqwest::Method;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::book::{Book, Entry};
use crate::sale::{Sale, Sending, id_of};
use crate::service::{Cut, Reply, Service};
use crate::watch::ClockWatch;

const PATH: &str = "/api/v1/pos/validate_transaction";
/// First pause; doubles. Shorter than what the service asks for: a drill pushes harder than a polite till.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Characters of an unexpected answer that are kept.
const SHOWN: usize = 160;

/// What all sales of a run share.
#[derive(Debug, Clone)]
pub(crate) struct Till {
    /// Where to.
    pub(crate) service: Service,
    /// The own account.
    pub(crate) book: Book,
    /// Whether the service's clock is moved.
    pub(crate) clock: ClockWatch,
    /// Makes the ids of this run.
    pub(crate) run: u64,
    /// An attempt without an answer after this long is made again.
    pub(crate) answer_within: Duration,
    /// Bounds the connections.
    pub(crate) connections: Arc<Semaphore>,
}

/// What one answer means for the sale.
enum Meaning {
    Accepted,
    Refused,
    Again,
}

impl Till {
    /// Sends the sale until its fate is known; whoever drops this leaves it in the book as under way.
    pub(crate) async fn sell(self, sale: Sale) {
        let time = sale.time(Utc::now());
        let number = sale.number;
        let entry = Entry { number, store: sale.store, time: time.timestamp_millis(), cents: sale.cents() };
        self.book.open().sending(number, sale.is_paid.then_some(entry));
        let body = sale.body(id_of(self.run, number), time);
        match sale.sending {
            Sending::Once => self.until_known(number, &body).await,
            Sending::Again => {
                self.until_known(number, &body).await;
                self.repeat(number, &body).await;
            }
            Sending::Twice => {
                tokio::join!(self.until_known(number, &body), self.repeat(number, &body));
            }
        }
    }

    async fn repeat(&self, number: u64, body: &str) {
        self.book.open().counts.repetitions += 1;
        self.until_known(number, body).await;
    }

    async fn until_known(&self, number: u64, body: &str) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.attempt(number, body).await {
                Meaning::Accepted => return self.book.open().accepted(number),
                Meaning::Refused => return self.book.open().refused(number),
                Meaning::Again => self.book.open().counts.retries += 1,
            }
            // Half of it is drawn, so that tills that were cut together do not come back together.
            sleep(pause / 2 + (pause / 2).mul_f64(fastrand::f64())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, number: u64, body: &str) -> Meaning {
        let Ok(_connection) = self.connections.acquire().await else { return Meaning::Again };
        let clock_was_moved = self.clock.is_suspect();
        match self.service.send(Method::POST, PATH, Some(body.to_owned()), self.answer_within).await {
            Ok(reply) => self.judge(number, &reply, clock_was_moved),
            Err(cut) => {
                self.count(&cut);
                Meaning::Again
            }
        }
    }

    fn count(&self, cut: &Cut) {
        let mut pages = self.book.open();
        match cut {
            Cut::Broken(_) => pages.counts.cuts += 1,
            Cut::Timeout => pages.counts.timeouts += 1,
        }
    }

    fn judge(&self, number: u64, reply: &Reply, clock_was_moved: bool) -> Meaning {
        let mut pages = self.book.open();
        let Reply { status, says_when, is_nobodys, ref text } = *reply;
        pages.status(status);
        match status {
            200 => return Meaning::Accepted,
            429 | 503 if says_when => return Meaning::Again,
            404 if is_nobodys => return Meaning::Again,
            422 if clock_was_moved || self.clock.is_suspect() => return Meaning::Again,
            _ => {}
        }
        let (id, text) = (id_of(self.run, number), text.chars().take(SHOWN).collect::<String>());
        pages.violation(format!("sale {id} was answered with {status}: {text}"));
        // What the body cannot cure is tried again, so that the account knows whether the sale was taken.
        if matches!(status, 400 | 413 | 415 | 422) { Meaning::Refused } else { Meaning::Again }
    }
}

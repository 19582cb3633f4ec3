//! Posts recorded sales: one store's in the order of the file and one at a time, several stores beside each other.
//! Does not draw a progress bar and does not decide the exit code; its report says all that either needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use tillstream_domain::StoreId;
use tillstream_posting::Trust;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::{Instant, sleep_until};

use crate::client::{Credentials, PosClient, Posted, RetryRules};
use crate::error::{ClientError, Unanswered};
use crate::lanes::{Lanes, Recorded};

/// Lines that are read ahead, so that a busy store does not keep the others waiting.
const READ_AHEAD: usize = 10_000;
/// Malformed lines that the report names; the others are only counted.
const NAMED_LINES: usize = 20;

/// What to replay, where to, and how fast.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// One transaction per line, as a till would post it.
    pub file: PathBuf,
    /// Base of the service.
    pub url: String,
    /// Whom it believes and what it shows of itself.
    pub trust: Trust,
    /// The till's user.
    pub credentials: Credentials,
    /// At most this many sales per second; unset: as fast as the service answers.
    pub rate: Option<u32>,
    /// Stores that are sent for at the same time.
    pub concurrency: usize,
    /// How long one sale is tried; long enough for the service to be killed and started again.
    pub deadline: Duration,
    /// An attempt without an answer after this long is made again.
    pub request_timeout: Duration,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Size of the file.
    pub total_bytes: u64,
    /// Bytes of lines that are done with.
    pub done_bytes: u64,
    /// Sales whose fate is known.
    pub answered: u64,
    /// Attempts beyond the first ones.
    pub retries: u64,
}

/// What became of the recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Sales by the status that settled them.
    pub by_status: BTreeMap<u16, u64>,
    /// Sales that no answer settled within the deadline: line and what the last attempt met.
    pub unanswered: Vec<(u64, Unanswered)>,
    /// How many lines are no transaction.
    pub malformed: u64,
    /// The first of them.
    pub malformed_lines: Vec<MalformedLine>,
    /// Attempts beyond the first ones.
    pub retries: u64,
    /// From the first line to the last answer.
    pub elapsed: Duration,
}

/// A line that was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedLine {
    /// From 1.
    pub line: u64,
    /// What is wrong with it.
    pub error: String,
}

/// Why a replay could not be carried through.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Nothing can be sent.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl ReplayReport {
    /// Sales answered with 200.
    pub fn accepted(&self) -> u64 {
        self.by_status.get(&200).copied().unwrap_or(0)
    }

    /// Whether every line got its 200.
    pub fn is_complete(&self) -> bool {
        self.unanswered.is_empty() && self.malformed == 0 && self.by_status.keys().all(|status| *status == 200)
    }
}

/// Posts every line of the file. A sale that is not settled within the deadline is reported and its store goes on.
///
/// # Errors
/// The file cannot be read or the client cannot be built; what became of the sales is in the report.
pub async fn replay(
    options: ReplayOptions,
    on_progress: impl FnMut(&ReplayProgress),
) -> Result<ReplayReport, ReplayError> {
    let rules = RetryRules {
        request_timeout: options.request_timeout,
        deadline: Some(options.deadline),
        ..RetryRules::default()
    };
    let client = PosClient::new(&options.url, &options.trust, &options.credentials, rules)?;
    let recording = Recording::open(&options.file).await?;
    let run = Run::new(client, recording, &options, on_progress);
    run.finish().await
}

/// One replay under way.
struct Run<P> {
    client: PosClient,
    recording: Recording,
    lanes: Lanes,
    concurrency: usize,
    spacing: Spacing,
    report: ReplayReport,
    progress: ReplayProgress,
    on_progress: P,
}

impl<P: FnMut(&ReplayProgress)> Run<P> {
    fn new(client: PosClient, recording: Recording, options: &ReplayOptions, on_progress: P) -> Self {
        Self {
            client,
            progress: ReplayProgress { total_bytes: recording.bytes, ..ReplayProgress::default() },
            recording,
            lanes: Lanes::default(),
            concurrency: options.concurrency.max(1),
            spacing: Spacing::new(options.rate),
            report: ReplayReport::default(),
            on_progress,
        }
    }

    async fn finish(mut self) -> Result<ReplayReport, ReplayError> {
        let started = Instant::now();
        let mut under_way = FuturesUnordered::new();
        loop {
            self.read_ahead().await?;
            let may_send = under_way.len() < self.concurrency && self.lanes.has_ready();
            if under_way.is_empty() && !may_send {
                break;
            }
            tokio::select! {
                biased;
                Some((sale, outcome)) = under_way.next(), if !under_way.is_empty() => self.answered(&sale, outcome),
                () = sleep_until(self.spacing.next), if may_send => {
                    if let Some(sale) = self.lanes.next() {
                        self.spacing.sent();
                        under_way.push(post(self.client.clone(), sale));
                    }
                }
            }
        }
        self.report.elapsed = started.elapsed();
        Ok(self.report)
    }

    async fn read_ahead(&mut self) -> Result<(), ReplayError> {
        while self.lanes.waiting() < READ_AHEAD {
            match self.recording.next().await? {
                None => return Ok(()),
                Some(Ok(sale)) => self.lanes.push(sale),
                Some(Err(malformed)) => self.skip(malformed),
            }
        }
        Ok(())
    }

    fn skip(&mut self, malformed: MalformedLine) {
        self.report.malformed += 1;
        if self.report.malformed_lines.len() < NAMED_LINES {
            self.report.malformed_lines.push(malformed);
        }
    }

    fn answered(&mut self, sale: &Recorded, outcome: Result<Posted, Unanswered>) {
        self.lanes.finish(&sale.store);
        let attempts = match outcome {
            Ok(posted) => {
                *self.report.by_status.entry(posted.status).or_default() += 1;
                posted.attempts
            }
            Err(unanswered) => {
                let attempts = unanswered.attempts;
                self.report.unanswered.push((sale.line, unanswered));
                attempts
            }
        };
        self.report.retries += u64::from(attempts.saturating_sub(1));
        self.progress.retries = self.report.retries;
        self.progress.answered += 1;
        self.progress.done_bytes += sale.body.len() as u64 + 1;
        (self.on_progress)(&self.progress);
    }
}

async fn post(client: PosClient, sale: Recorded) -> (Recorded, Result<Posted, Unanswered>) {
    let outcome = client.post_until_known(sale.body.clone()).await;
    (sale, outcome)
}

/// When the next sale may go out.
struct Spacing {
    next: Instant,
    gap: Duration,
}

impl Spacing {
    fn new(rate: Option<u32>) -> Self {
        let gap = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1));
        Self { next: Instant::now(), gap }
    }

    /// Late sales are not caught up with by more than a tenth of a second, so that a stall is no rush afterwards.
    fn sent(&mut self) {
        let earliest = Instant::now().checked_sub(Duration::from_millis(100)).unwrap_or(self.next);
        self.next = self.next.max(earliest) + self.gap;
    }
}

/// The file, read line by line.
struct Recording {
    path: PathBuf,
    lines: tokio::io::Lines<BufReader<File>>,
    line: u64,
    bytes: u64,
}

impl Recording {
    async fn open(path: &Path) -> Result<Self, ReplayError> {
        let failed = |error| ReplayError::File { path: path.to_owned(), error };
        let file = File::open(path).await.map_err(failed)?;
        let bytes = file.metadata().await.map_err(failed)?.len();
        let lines = BufReader::with_capacity(1 << 16, file).lines();
        Ok(Self { path: path.to_owned(), lines, line: 0, bytes })
    }

    /// The next line that is not empty; `None` at the end.
    async fn next(&mut self) -> Result<Option<Result<Recorded, MalformedLine>>, ReplayError> {
        loop {
            let read = self.lines.next_line().await;
            let Some(text) = read.map_err(|error| ReplayError::File { path: self.path.clone(), error })? else {
                return Ok(None);
            };
            self.line += 1;
            if !text.trim().is_empty() {
                return Ok(Some(parse(self.line, text)));
            }
        }
    }
}

/// What has to be read of a line to send it in its store's order; whether it is valid is the service's word.
#[derive(Deserialize)]
struct Address {
    store_id: String,
}

fn parse(line: u64, text: String) -> Result<Recorded, MalformedLine> {
    let address: Address =
        serde_json::from_str(&text).map_err(|error| MalformedLine { line, error: error.to_string() })?;
    // `STORE_01` and `STORE_1` are one store and one lane.
    let store = address.store_id.parse::<StoreId>().map_or(address.store_id, |id| id.to_string());
    Ok(Recorded { store, line, body: text.into() })
}

#[cfg(test)]
mod tests;

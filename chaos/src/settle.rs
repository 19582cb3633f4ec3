//! Waits for the service's books to come to rest, before the first own sale and after the last one.
//! Does not judge what they say then.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use tokio::time::{Instant, sleep};

use crate::account::{Account, Baseline, few};
use crate::api::{Ledger, Row};
use crate::book::Entry;
use crate::drill::{Line, Say};
use crate::error::DrillError;
use crate::options::{Options, Tempo};
use crate::sale::LATE_TO;
use crate::service::Service;
use crate::stores::Stores;

const LEDGER: &str = "/api/v1/ledger";
const MOST_ROWS: u32 = 1_000_000;
/// No window is longer: a sale's window begins at most this long before it.
const LONGEST_WINDOW: TimeDelta = TimeDelta::hours(1);
/// Between two words on whom the drill waits for.
const WORD_EVERY: Duration = Duration::from_secs(5);

/// Whoever looks at the books.
pub(crate) struct Bookkeeper<'a> {
    service: &'a Service,
    tempo: Tempo,
    within: Duration,
    stores: Stores,
    say: Say<'a>,
    /// Turnover before this is not looked at.
    from: DateTime<Utc>,
}

impl<'a> Bookkeeper<'a> {
    /// Of a drill that begins now.
    pub(crate) fn new(service: &'a Service, options: &Options, say: Say<'a>) -> Self {
        let from = Utc::now() - TimeDelta::milliseconds(LATE_TO) - LONGEST_WINDOW;
        let Options { tempo, settle_within: within, stores, .. } = *options;
        Self { service, tempo, within, stores, say, from }
    }

    /// Waits until all windows are final and nothing comes in, then takes the books as they are.
    pub(crate) async fn baseline(&self) -> Result<Baseline, DrillError> {
        let (started, mut word) = (Instant::now(), Word::default());
        let mut last: Option<(Ledger, Instant)> = None;
        loop {
            let ledger = self.ledger().await?;
            let since = match &last {
                Some((known, since)) if *known == ledger => *since,
                _ => Instant::now(),
            };
            let whom = restless(&ledger);
            if whom.is_none() && since.elapsed() >= self.tempo.agree_for {
                return Ok(Baseline::new(&ledger, self.rows().await?));
            }
            last = Some((ledger, since));
            let whom = whom.unwrap_or_else(|| "the books still change".to_owned());
            if started.elapsed() >= self.within {
                return Err(DrillError::NotCalm { waited: started.elapsed(), whom });
            }
            word.say(self.say, &format!("waiting until earlier sales are in final windows: {whom}"));
            sleep(self.tempo.look_every).await;
        }
    }

    /// Waits until every own sale is in a final window, then compares until the result stays the same.
    pub(crate) async fn settle(
        &self,
        run: u64,
        answered: &[Entry],
        baseline: &Baseline,
    ) -> Result<Account, DrillError> {
        let (started, mut word) = (Instant::now(), Word::default());
        let mut last: Option<(Account, Instant)> = None;
        loop {
            let is_over = started.elapsed() >= self.within;
            let account = self.account(run, answered, baseline, is_over).await?;
            let since = match &last {
                Some((known, since)) if *known == account => *since,
                _ => Instant::now(),
            };
            if is_over || since.elapsed() >= self.patience(&account) {
                return Ok(account);
            }
            if !account.is_at_rest() {
                word.say(self.say, &format!("waiting for {}", account.awaited()));
            }
            last = Some((account, since));
            sleep(self.tempo.look_every).await;
        }
    }

    /// While windows are open the only bound is the whole wait.
    fn patience(&self, account: &Account) -> Duration {
        match (account.open.is_empty(), account.is_clean()) {
            (false, _) => self.within,
            (true, true) => self.tempo.agree_for,
            (true, false) => self.tempo.disagree_for,
        }
    }

    /// While windows are open the ledger says enough, unless this is the last look.
    async fn account(
        &self,
        run: u64,
        answered: &[Entry],
        baseline: &Baseline,
        is_last: bool,
    ) -> Result<Account, DrillError> {
        let ledger = self.ledger().await?;
        let account = Account::of_ledger(answered, baseline, &ledger);
        if !account.open.is_empty() && !is_last {
            return Ok(account);
        }
        Ok(Account::of(run, answered, baseline, &ledger, &self.rows().await?))
    }

    /// Of other stores, where other tills may sell, nothing counts but whether they balance.
    async fn ledger(&self) -> Result<Ledger, DrillError> {
        let mut ledger: Ledger = self.service.learn(LEDGER, self.tempo.outage).await?;
        for store in ledger.stores.iter_mut().filter(|store| !self.stores.holds(&store.store_id)) {
            (store.accepted, store.open) = Default::default();
        }
        Ok(ledger)
    }

    async fn rows(&self) -> Result<Vec<Row>, DrillError> {
        let from = self.from.to_rfc3339_opts(SecondsFormat::Secs, true);
        let path = format!("/api/v1/pos/turnover?from={from}&limit={MOST_ROWS}");
        let mut rows: Vec<Row> = self.service.learn(&path, self.tempo.outage).await?;
        rows.retain(|row| self.stores.holds(&row.store_id));
        Ok(rows)
    }
}

/// Stores with open windows, in words.
fn restless(ledger: &Ledger) -> Option<String> {
    let open = ledger.stores.iter().filter(|store| store.open.count > 0);
    let names = few(open.map(|store| format!("{} ({} open)", store.store_id, store.open.count)));
    (!names.is_empty()).then_some(names)
}

/// Says something now and then, not at once.
struct Word(Instant);

impl Default for Word {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Word {
    fn say(&mut self, say: Say<'_>, text: &str) {
        if self.0.elapsed() >= WORD_EVERY {
            self.0 = Instant::now();
            say(Line::Note(text));
        }
    }
}

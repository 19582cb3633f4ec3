//! The course of a drill: quiet, baseline, load, faults, the last answers, the account.
//! Does not print; whoever runs it gets lines.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::account::Baseline;
use crate::api::Ledger;
use crate::book::Book;
use crate::delays::Delays;
use crate::error::DrillError;
use crate::faults::{FaultRow, Faults};
use crate::generator::Silenced;
use crate::injection::Injector;
use crate::load::{Load, connections};
use crate::options::Options;
use crate::report::Report;
use crate::revision::revise;
use crate::sale::Sales;
use crate::service::Service;
use crate::settle::Bookkeeper;
use crate::sleepers::Sleepers;
use crate::till::Till;
use crate::timeline::{Second, timeline};
use crate::watch::ClockWatch;

/// Between two looks at metrics and simulator.
const WATCH_EVERY: Duration = Duration::from_secs(1);
const WATCH_WITHIN: Duration = Duration::from_secs(5);
/// A service that has never answered is most likely not there: a mistyped port must not look like a long outage.
const FIRST_CONTACT: Duration = Duration::from_secs(10);

/// One line of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// Belongs to the result.
    Table(&'a str),
    /// Says what is going on.
    Note(&'a str),
    /// What came back in the last second.
    Second(&'a Second),
}

/// Takes the lines.
pub(crate) type Say<'a> = &'a (dyn Fn(Line<'_>) + Sync);

/// What a drill is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Nothing: go on.
    No,
    /// No further faults; settle the account.
    Faults,
    /// At once.
    Now,
}

/// Runs a drill to its verdict. The service's simulator is set back whatever happens.
///
/// # Errors
/// There is no verdict: wrong user, faults not allowed, the service away for too long, told twice to stop.
pub async fn drill(
    options: &Options,
    say: &(dyn Fn(Line<'_>) + Sync),
    stop: watch::Receiver<Stop>,
) -> Result<Report, DrillError> {
    options.check()?;
    let run = Run::new(options, say)?;
    run.announce();
    let ledger = "/api/v1/ledger";
    run.service.learn::<Ledger>(ledger, options.tempo.outage.min(FIRST_CONTACT)).await?;
    let injector = run.injector().await?;
    let silenced = Silenced::begin(&run.service, options.tempo.outage).await?;
    if let Some(rate) = silenced.rate() {
        say(Line::Note(&format!("the service's own simulated tills ({rate}/s) are silent until the end")));
    }
    let verdict = tokio::select! {
        verdict = run.course(injector, &stop) => verdict,
        () = told(stop.clone(), Stop::Now) => Err(DrillError::Aborted),
        never = run.watch(&silenced) => match never {},
        never = timeline(&run.book, say) => match never {},
    };
    if let Err(error) = silenced.restore().await {
        say(Line::Note(&format!("the simulated tills could not be set back: {error}")));
    }
    verdict
}

/// Resolves when the drill is told to stop at least so urgently.
pub(crate) async fn told(mut stop: watch::Receiver<Stop>, urgency: Stop) {
    if stop.wait_for(|told| *told >= urgency).await.is_err() {
        // Nobody is left who could tell.
        std::future::pending::<()>().await;
    }
}

/// What all steps of one drill share.
struct Run<'a> {
    options: &'a Options,
    say: Say<'a>,
    service: Service,
    book: Book,
    clock: ClockWatch,
    delays: Mutex<Delays>,
    run: u64,
}

impl<'a> Run<'a> {
    fn new(options: &'a Options, say: Say<'a>) -> Result<Self, DrillError> {
        let service = Service::new(&options.url, &options.trust, &options.user, options.password.clone())?;
        let (run, _) = Uuid::new_v4().as_u64_pair();
        let (book, clock, delays) = (Book::default(), ClockWatch::default(), Mutex::default());
        Ok(Self { options, say, service, book, clock, delays, run })
    }

    /// The seed comes first: whatever happens afterwards can be repeated.
    fn announce(&self) {
        let Options { seed, load, stores, .. } = self.options;
        let faults = self.options.script.as_ref().map_or(self.options.faults, |script| script.steps.len());
        let text = format!(
            "seed {seed}: {faults} faults under {load} sales per second of stores {stores}, run {:016x}",
            self.run
        );
        (self.say)(Line::Table(&text));
    }

    async fn injector(&self) -> Result<Option<Injector>, DrillError> {
        if !self.options.injects() {
            return Ok(None);
        }
        Injector::new(self.service.clone(), self.options.tempo, self.clock.clone()).await.map(Some)
    }

    async fn course(&self, injector: Option<Injector>, stop: &watch::Receiver<Stop>) -> Result<Report, DrillError> {
        let options = self.options;
        let books = Bookkeeper::new(&self.service, options, self.say);
        let baseline = tokio::select! {
            baseline = books.baseline() => baseline?,
            () = told(stop.clone(), Stop::Faults) => return Err(DrillError::Aborted),
        };
        let (end, ended) = watch::channel(false);
        let mut load = JoinSet::new();
        load.spawn(self.load().run(ended, options.settle_within));
        let started = Instant::now();
        (self.say)(Line::Note("the books are at rest, the load begins"));
        let faults = self.disturb(injector, started, stop).await?;
        end.send_replace(true);
        (self.say)(Line::Note("no more sales; waiting for the last answers and for final windows"));
        load.join_next().await;
        let seconds = started.elapsed().as_secs_f64();
        self.report(&books, &baseline, faults, seconds, *stop.borrow() > Stop::No).await
    }

    fn load(&self) -> Load {
        let till = Till {
            service: self.service.clone(),
            book: self.book.clone(),
            clock: self.clock.clone(),
            run: self.run,
            answer_within: self.options.tempo.answer_within,
            connections: connections(),
        };
        let sales = Sales::new(self.options.seed, self.options.stores);
        // A sale that is lost on purpose must not be made good by its till.
        let sales = if self.options.tampers() { sales.sent_once() } else { sales };
        Load::new(till, sales, self.options.load)
    }

    /// Calm, faults, and load until its time is over.
    async fn disturb(
        &self,
        injector: Option<Injector>,
        started: Instant,
        stop: &watch::Receiver<Stop>,
    ) -> Result<Vec<FaultRow>, DrillError> {
        let options = self.options;
        let calm = if injector.is_some() { options.calm } else { Duration::ZERO };
        self.until(started + calm, stop).await;
        self.delays().calm_is_over();
        let rows = match injector {
            Some(injector) => {
                let (rows, sleepers) = (Vec::new(), Sleepers::default());
                Faults { options, injector, say: self.say, started, rows, sleepers }.run(stop).await?
            }
            None => Vec::new(),
        };
        self.until(started + options.duration.unwrap_or_default(), stop).await;
        Ok(rows)
    }

    async fn until(&self, time: Instant, stop: &watch::Receiver<Stop>) {
        tokio::select! {
            () = sleep_until(time) => {}
            () = told(stop.clone(), Stop::Faults) => {}
        }
    }

    async fn report(
        &self,
        books: &Bookkeeper<'_>,
        baseline: &Baseline,
        mut faults: Vec<FaultRow>,
        seconds: f64,
        interrupted: bool,
    ) -> Result<Report, DrillError> {
        let pages = std::mem::take(&mut *self.book.open());
        let account = books.settle(self.run, &pages.answered, baseline).await?;
        revise(&self.service, &mut faults, self.options.tempo.judged_within).await;
        let delays = self.delays();
        let report = Report {
            passed: false,
            reasons: Vec::new(),
            seed: self.options.seed,
            run: format!("{:016x}", self.run),
            seconds,
            interrupted,
            load: pages.counts,
            unanswered: u64::try_from(pages.under_way.len()).unwrap_or(u64::MAX),
            violations: pages.violations,
            account,
            faults,
            by_kind: Default::default(),
            by_actor: Default::default(),
            calm_delay: delays.of_calm(),
            run_delay: delays.of_run(),
        };
        Ok(report.judged())
    }

    /// Looks at the metrics now and then, and keeps the simulator silent across restarts of the process.
    async fn watch(&self, silenced: &Silenced) -> Infallible {
        loop {
            if let Ok(reply) = self.service.send(Method::GET, "/metrics", None, WATCH_WITHIN).await
                && reply.status == 200
            {
                self.delays().saw(&reply.text);
            }
            if silenced.again().await {
                let text = "the simulated tills had begun again with the process and are silent once more";
                (self.say)(Line::Note(text));
            }
            sleep(WATCH_EVERY).await;
        }
    }

    fn delays(&self) -> std::sync::MutexGuard<'_, Delays> {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Where a sale is, as both flows tell of it in whatever order, and after both actors have failed.

use chrono::{DateTime, Utc};
use tillstream_domain::fixtures::{SampleBody, sample_id, sample_time};
use tillstream_domain::{Money, Topics};
use tillstream_messages::{
    Evidence, Journey, JourneyError, JourneyState, JourneyStep, QueryJourney, StepKind, ToldAs, TraceContext,
};

use super::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

impl Bench {
    async fn bound(directory: &Path) -> Self {
        let bench = Self::start(directory);
        bench.bind_both(1).await;
        bench
    }

    async fn bind_both(&self, epoch: u32) {
        bind(&self.reporting.ledger_consumer, epoch).await;
        bind(&self.reporting.turnover_consumer, epoch).await;
    }

    /// Delivers to the ledger and waits until that is committed.
    async fn ledger_reads(&self, messages: Vec<InboundMessage>) {
        let all = self.ledger_flow.acknowledged().len() + messages.len();
        deliver(&self.reporting.ledger_consumer, 1, messages).await;
        until("the ledger does not acknowledge", || self.ledger_flow.acknowledged().len() == all).await;
    }

    /// Delivers to turnover and waits until that is committed.
    async fn turnover_reads(&self, messages: Vec<InboundMessage>) {
        let all = self.turnover_flow.acknowledged().len() + messages.len();
        deliver(&self.reporting.turnover_consumer, 1, messages).await;
        until("turnover does not acknowledge", || self.turnover_flow.acknowledged().len() == all).await;
    }

    async fn journey(&self, id: u64) -> Result<Journey, JourneyError> {
        let asking = async {
            loop {
                let asked = self.reporting.journey.ask(QueryJourney { id: sample_id(id) }, WITHIN).await;
                match asked.expect("asked") {
                    // Their databases are being opened.
                    Err(JourneyError::Query(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                    answer => return answer,
                }
            }
        };
        tokio::time::timeout(WITHIN, asking).await.expect("stuck: neither database is open")
    }

    async fn state(&self, id: u64) -> JourneyState {
        self.journey(id).await.expect("known").state
    }
}

/// With a local set around it, as actors need one.
async fn on_a_bench(test: impl AsyncFnOnce(Bench)) {
    let running = async {
        let directory = tempfile::tempdir().expect("a directory");
        test(Bench::bound(directory.path()).await).await;
    };
    LocalSet::new().run_until(running).await;
}

fn sale(id: u64) -> TestSale {
    TestSale { id, store: 1, cents: 250, second: 4 }
}

fn event(number: u64, ids: &[u64], is_final: bool) -> InboundMessage {
    let sales: Vec<_> = ids.iter().map(|id| sale(*id)).collect();
    aggregation_for_test(number, &event_for_test(&sales, is_final))
}

fn names(steps: &[JourneyStep]) -> Vec<&'static str> {
    let name = |step: &JourneyStep| match step.what {
        StepKind::Received { .. } => "received",
        StepKind::Corrected { .. } => "corrected",
        StepKind::Published { .. } => "published",
        StepKind::Window { .. } => "window",
        StepKind::Aggregate { kind: ToldAs::First, .. } => "first",
        StepKind::Aggregate { kind: ToldAs::Update, .. } => "update",
        StepKind::Aggregate { kind: ToldAs::Final, .. } => "final",
        StepKind::Late => "late",
        StepKind::PaymentFailed => "payment_failed",
        StepKind::Rejected { .. } => "rejected",
    };
    steps.iter().map(name).collect()
}

fn deliveries_of(journey: &Journey) -> u16 {
    let published = journey.steps.iter().find_map(|step| match step.what {
        StepKind::Published { deliveries, .. } => Some(deliveries),
        _ => None,
    });
    published.expect("published")
}

fn window_of(journey: &Journey) -> (&JourneyStep, Option<(u64, bool)>) {
    let window = journey.steps.iter().find_map(|step| match &step.what {
        StepKind::Window { told, .. } => {
            Some((step, told.as_ref().map(|told| (told.transaction_count, told.is_final))))
        }
        _ => None,
    });
    window.expect("a window")
}

#[tokio::test]
async fn a_sale_goes_from_the_open_window_into_its_events_and_into_the_final_one() {
    on_a_bench(async |bench| {
        bench.ledger_reads(vec![sale(1).receipt(1), sale(2).receipt(2)]).await;
        let journey = bench.journey(1).await.expect("known");
        assert_eq!((journey.state, journey.amount), (JourneyState::InOpenWindow, Money::from_cents(250)));
        assert_eq!(names(&journey.steps), ["received", "published", "window"]);

        bench.turnover_reads(vec![event(1, &[1], false)]).await;
        assert_eq!(bench.state(1).await, JourneyState::InOpenWindow, "the one that is counted may be the other");
        bench.turnover_reads(vec![event(2, &[1, 2], false)]).await;
        let journey = bench.journey(1).await.expect("known");
        assert_eq!(journey.state, JourneyState::InWindow);
        let (step, told) = window_of(&journey);
        assert_eq!((step.evidence, step.source.as_str(), told), (Evidence::Inferred, "counts", Some((2, false))));

        bench.turnover_reads(vec![event(3, &[1, 2], true)]).await;
        let journey = bench.journey(1).await.expect("known");
        assert_eq!(journey.state, JourneyState::InFinalWindow);
        assert_eq!(names(&journey.steps), ["received", "published", "window", "first", "update", "final"]);
        let (step, told) = window_of(&journey);
        assert_eq!((step.source.as_str(), told), ("ledger_balance", Some((2, true))));
        assert!(step.at.is_some_and(|at| at <= Utc::now()), "{step:?}");
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_window_that_was_final_before_the_ledger_read_its_sale_holds_it_and_one_that_does_not_add_up_says_no_more() {
    on_a_bench(async |bench| {
        bench.turnover_reads(vec![event(1, &[1], true)]).await;
        bench.ledger_reads(vec![sale(1).receipt(1)]).await;
        assert_eq!(bench.state(1).await, JourneyState::InFinalWindow);

        // Nobody has said that it is late, and the window cannot hold both.
        bench.ledger_reads(vec![sale(2).receipt(2)]).await;
        assert_eq!(bench.state(2).await, JourneyState::Accepted);
        bench.turnover_reads(vec![sale(2).late(2)]).await;
        assert_eq!((bench.state(1).await, bench.state(2).await), (JourneyState::InFinalWindow, JourneyState::Late));
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_late_sale_is_late_whichever_queue_says_so_first() {
    on_a_bench(async |bench| {
        bench.turnover_reads(vec![event(1, &[9], true), sale(1).late(2)]).await;
        let journey = bench.journey(1).await.expect("known");
        assert_eq!(
            (journey.state, names(&journey.steps)),
            (JourneyState::Late, vec!["received", "published", "window", "late"],)
        );
        assert_eq!((journey.steps[1].evidence, journey.steps[1].at), (Evidence::Inferred, None));
        assert_eq!(journey.steps[2].evidence, Evidence::Observed, "the late event names the window");

        bench.ledger_reads(vec![sale(1).receipt(1)]).await;
        let journey = bench.journey(1).await.expect("known");
        assert_eq!((journey.state, journey.steps[1].evidence), (JourneyState::Late, Evidence::Observed));
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_the_till_had_sent_its_trace_and_its_repetitions_are_told_and_no_cashier_and_no_customer() {
    on_a_bench(async |bench| {
        let body = SampleBody { id: sample_id(1), total: Some(Money::from_cents(700)), ..SampleBody::default() };
        let checked = body.checked();
        let topic = Topics::default().receipt(&checked.transaction);
        let mut message = inbound_for_test(1, &topic, checked.to_payload(sample_time(0)));
        message.trace = TraceContext::parse(PARENT, "");
        let mut again = message.clone();
        again.tag.number = 2;
        bench.ledger_reads(vec![message, again]).await;

        let journey = bench.journey(1).await.expect("known");
        let (sent, recorded) = (Money::from_cents(700), Money::from_cents(757));
        assert_eq!(journey.amount, recorded);
        let corrected = |field| StepKind::Corrected { field, sent, recorded };
        assert_eq!(journey.steps[1].what, corrected("total_amount"));
        assert_eq!(journey.steps[2].what, corrected("receipt.total_amount"));
        let trace_id = Some(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(
            journey.steps[0].what,
            StepKind::Received { timestamp: body.timestamp, accepted_at: sample_time(0), trace_id }
        );
        let StepKind::Published { topic, deliveries: 2, .. } = &journey.steps[3].what else { panic!("{journey:?}") };
        assert!(topic.contains("/-/cash/success/"), "{topic}");
        let all = format!("{journey:?}");
        assert!(!all.contains("CASHIER") && !all.contains("CUSTOMER") && !all.contains("r-4711"), "{all}");
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_failed_payment_is_told_and_the_sale_that_it_becomes_with_the_same_id_takes_its_place() {
    on_a_bench(async |bench| {
        bench.turnover_reads(vec![sale(1).failed(1)]).await;
        let journey = bench.journey(1).await.expect("known");
        assert_eq!(
            (journey.state, names(&journey.steps)),
            (JourneyState::PaymentFailed, vec!["received", "published", "payment_failed"],)
        );

        bench.ledger_reads(vec![sale(1).receipt(1)]).await;
        let journey = bench.journey(1).await.expect("known");
        assert_eq!(
            (journey.state, names(&journey.steps)),
            (JourneyState::InOpenWindow, vec!["received", "published", "window", "payment_failed"],)
        );
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_second_sale_of_the_same_id_is_refused_beside_the_first_and_alone_where_the_first_is_forgotten() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let bench = Bench::bound(directory.path()).await;
            let other = TestSale { cents: 999, ..sale(1) };
            bench.ledger_reads(vec![sale(1).receipt(1), other.receipt(2), sale(1).receipt(3), other.receipt(4)]).await;
            let journey = bench.journey(1).await.expect("known");
            assert_eq!((journey.state, journey.amount), (JourneyState::InOpenWindow, Money::from_cents(250)));
            assert_eq!(deliveries_of(&journey), 2, "what was refused is no repetition of what counts");
            let refused = &journey.steps[3].what;
            let StepKind::Rejected { amount, detail, times, .. } = refused else { panic!("{refused:?}") };
            let detail = (amount.cents(), detail.as_str(), *times);
            assert_eq!(detail, (999, "the id is known as a sale of STORE_1 over 2.50", 2));
            bench.stop().await;

            let bench = Bench::bound(directory.path()).await;
            assert!(matches!(bench.journey(1).await, Err(JourneyError::Unknown { .. })), "another process");
            bench.ledger_reads(vec![other.receipt(1)]).await;
            let journey = bench.journey(1).await.expect("known");
            assert_eq!(
                (journey.state, names(&journey.steps)),
                (JourneyState::Rejected, vec!["received", "published", "rejected"],)
            );
            assert_eq!(deliveries_of(&journey), 1);
            bench.ledger_reads(vec![sale(1).receipt(2)]).await;
            let journey = bench.journey(1).await.expect("known");
            assert_eq!((journey.amount, deliveries_of(&journey)), (Money::from_cents(250), 1), "the sale that counts");
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn both_actors_may_fail_and_every_sale_is_still_known() {
    on_a_bench(async |bench| {
        bench.ledger_reads(vec![sale(1).receipt(1)]).await;
        bench.turnover_reads(vec![event(1, &[1], true)]).await;
        let before = bench.journey(1).await.expect("known");

        bench.kill("root.ledger").await;
        bench.kill("root.turnover").await;
        assert_eq!(bench.journey(1).await, Ok(before));
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn of_more_sales_than_may_be_held_the_newest_are_known_and_the_answer_says_how_many() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let settings = ReportingSettings { journeys: 3, ..ReportingSettings::default() };
            let bench = Bench::with(directory.path(), settings);
            bench.bind_both(1).await;
            bench.ledger_reads((1..=5).map(|id| sale(id).receipt(id)).collect()).await;

            let unknown = bench.journey(2).await.expect_err("pushed out");
            assert!(unknown.to_string().contains("newest 3 sales"), "{unknown}");
            for id in 3..=5 {
                assert_eq!(bench.state(id).await, JourneyState::InOpenWindow);
            }
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn an_event_that_was_read_before_validation_had_the_sale_is_no_step_of_it() {
    on_a_bench(async |bench| {
        bench.turnover_reads(vec![event(1, &[9], false)]).await;
        let accepted_at: DateTime<Utc> = Utc::now() + chrono::TimeDelta::hours(1);
        let body = SampleBody { id: sample_id(1), timestamp: sample_time(4_000), ..SampleBody::default() };
        let checked = body.checked();
        let topic = Topics::default().receipt(&checked.transaction);
        bench.ledger_reads(vec![inbound_for_test(1, &topic, checked.to_payload(accepted_at))]).await;

        assert_eq!(names(&bench.journey(1).await.expect("known").steps), ["received", "published", "window"]);
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_an_earlier_process_was_told_is_not_made_up_from_a_repetition() {
    let running = async {
        let directory = tempfile::tempdir().expect("a directory");
        let bench = Bench::bound(directory.path()).await;
        bench.turnover_reads(vec![event(1, &[9], true), sale(1).late(2)]).await;
        bench.ledger_reads(vec![sale(2).receipt(1)]).await;
        bench.stop().await;

        let bench = Bench::bound(directory.path()).await;
        bench.ledger_reads(vec![sale(2).receipt(1), sale(1).receipt(2)]).await;
        assert!(bench.journey(2).await.is_err(), "its first delivery was told to a process that is gone");
        assert_eq!(bench.state(1).await, JourneyState::Late, "which is on disk, though this process never heard of it");
        bench.stop().await;
    };
    LocalSet::new().run_until(running).await;
}

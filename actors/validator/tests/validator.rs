//! Validators under their supervisor, with the broker's side played by ports.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use tillstream_domain::fixtures::{SampleBody, sample_body, sample_id, sample_time};
use tillstream_domain::{AggregatedEvent, Money, StoreId, TopicPrefix};
use tillstream_messages::{
    AggregateRefused, HealthBoard, Leg, LegState, Outcome, PublishAggregate, PublishError, PublishMessage,
    SaleAccepted, SaleRefused, SecretEntry, SecretTree, SecretsChanged, TraceContext, ValidateSale, WallClock,
};
use tillstream_supervision::{AskError, Fault, Place, Port, Strategy, Supervisor, SupervisorSpec};
use tillstream_validator::{ValidatorPool, ValidatorSettings, ValidatorWiring, spawn_validators};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

const WITHIN: Duration = Duration::from_secs(60);

type Published = Arc<Mutex<Vec<PublishMessage>>>;
type Answer = Result<SaleAccepted, SaleRefused>;

/// One validator on the caller's clock, which stands at the sample's time.
struct Bench {
    root: Supervisor,
    pool: ValidatorPool,
    health: HealthBoard,
    clock: WallClock,
}

fn bench(publisher: Port<PublishMessage>) -> Bench {
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let (health, clock) = (HealthBoard::default(), WallClock::stopped_at(sample_time(500)));
    let mut settings = ValidatorSettings::default();
    settings.validation.pool = 1;
    let prefix = TopicPrefix::default();
    let wiring = ValidatorWiring { publisher, prefix, clock: clock.clone(), health: health.clone() };
    let pool = spawn_validators(&root, &[place], &settings, &wiring).unwrap();
    Bench { root, pool, health, clock }
}

impl Bench {
    async fn post(&self, body: impl Into<bytes::Bytes>) -> Answer {
        self.pool.ask(ValidateSale::new(body), WITHIN).await.unwrap()
    }
}

/// A broker that takes everything, and what it took.
fn willing() -> (Port<PublishMessage>, Published) {
    let taken = Published::default();
    let seen = Arc::clone(&taken);
    let port = Port::from_fn(move |message| {
        seen.lock().unwrap().push(message);
        Ok(())
    });
    (port, taken)
}

fn counted(metric: &str, label: &str) -> f64 {
    let families = prometheus::gather();
    let series = families.iter().filter(|family| family.name() == metric).flat_map(|family| family.get_metric());
    series.filter(|one| one.get_label()[0].value() == label).map(|one| one.get_counter().get_value()).sum()
}

async fn locally(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_sale_is_not_answered_while_the_broker_is_stalled() {
    locally(async {
        let (stalled, slot) = Port::deferred();
        let bench = bench(stalled);
        let mut answer = std::pin::pin!(bench.post(sample_body(1)));
        assert!(timeout(Duration::from_secs(4), &mut answer).await.is_err(), "answered before the broker did");

        slot.bind(willing().0);

        assert!(answer.await.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_stays_silent_is_unavailable_and_not_a_success() {
    locally(async {
        let (silent, _slot) = Port::deferred();
        let answer = bench(silent).post(sample_body(2)).await;
        assert!(matches!(answer, Err(SaleRefused::Unavailable(PublishError::Down(_)))), "{answer:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whatever_the_broker_says_reaches_the_till() {
    let words = [
        PublishError::Overloaded,
        PublishError::Storage("no space left".to_owned()),
        PublishError::Refused { queue: "q".to_owned(), reason: "full".to_owned() },
        PublishError::NoSubscriber("t".to_owned()),
        PublishError::TooLarge,
    ];
    for word in words {
        locally(async {
            let said = word.clone();
            let bench = bench(Port::from_fn(move |_| Err(said.clone())));
            assert_eq!(bench.post(sample_body(3)).await, Err(SaleRefused::Unavailable(word.clone())));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_paid_sale_is_published_as_a_receipt_stamped_by_our_clock() {
    locally(async {
        let (publisher, published) = willing();
        let bench = bench(publisher);
        let sample = SampleBody { id: sample_id(4), store: 3, ..SampleBody::default() };

        let answer = bench.post(sample.to_json()).await.unwrap();

        assert_eq!(answer, SaleAccepted { transaction_id: sample.id, outcome: Outcome::Paid, corrections: vec![] });
        let message = published.lock().unwrap().remove(0);
        assert!(message.topic.starts_with("sale/pos/transaction/receipt/STORE_3/CASHIER_2/cash/success/"));
        assert_eq!((message.message_id, message.partition_key), (sample.id.uuid(), 3));
        assert_eq!(message.payload, sample.checked().transaction.to_payload(bench.clock.now()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sale_takes_its_trace_along_to_the_message_and_one_without_has_none() {
    locally(async {
        let (publisher, published) = willing();
        let bench = bench(publisher);
        let trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "rojo=1");
        assert!(trace.is_some());

        let traced = ValidateSale { trace: trace.clone(), ..ValidateSale::new(sample_body(1)) };
        bench.pool.ask(traced, WITHIN).await.unwrap().unwrap();
        bench.post(sample_body(2)).await.unwrap();

        let traces: Vec<_> = published.lock().unwrap().drain(..).map(|message| message.trace).collect();
        assert_eq!(traces, [trace, None]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_payment_is_recorded_and_is_no_turnover() {
    locally(async {
        let (publisher, published) = willing();
        let before = counted("pos_transactions_total", "payment_failed");
        let sample = SampleBody { id: sample_id(5), status: "failed", ..SampleBody::default() };

        let answer = bench(publisher).post(sample.to_json()).await.unwrap();

        assert_eq!(answer.outcome, Outcome::PaymentFailed);
        let topic = published.lock().unwrap()[0].topic.clone();
        assert_eq!(topic, format!("sale/pos/transaction/failed/STORE_1/{}", sample.id));
        assert_eq!(counted("pos_transactions_total", "payment_failed"), before + 1.0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_total_is_corrected_said_and_counted() {
    locally(async {
        let (publisher, published) = willing();
        let before = counted("pos_transactions_total", "corrected");
        let wrong = SampleBody { total: Some(Money::from_cents(1)), ..SampleBody::default() };

        let answer = bench(publisher).post(wrong.to_json()).await.unwrap();

        let total = answer.corrections.iter().find(|correction| correction.field == "total_amount").unwrap();
        assert_eq!((total.sent, total.recorded), (Money::from_cents(1), Money::from_cents(757)));
        assert!(String::from_utf8_lossy(&published.lock().unwrap()[0].payload).contains(r#""total_amount":7.57"#));
        assert_eq!(counted("pos_transactions_total", "corrected"), before + 1.0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_rules_hears_of_all_of_them_and_nothing_is_published() {
    locally(async {
        let (publisher, published) = willing();
        let before = counted("pos_rejections_total", "store_invalid");
        let wrong = SampleBody { store: 11, cashier: 9, ..SampleBody::default() };

        let answer = bench(publisher).post(wrong.to_json()).await;

        let Err(SaleRefused::Invalid(errors)) = answer else { panic!("{answer:?}") };
        assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), ["store_invalid", "cashier_invalid"]);
        assert!(published.lock().unwrap().is_empty());
        assert_eq!(counted("pos_rejections_total", "store_invalid"), before + 1.0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn our_own_wrong_clock_is_unavailability_and_not_the_tills_fault() {
    locally(async {
        let bench = bench(willing().0);
        assert_eq!(bench.health.get(Leg::Clock), LegState::Up);
        bench.clock.set_offset(TimeDelta::minutes(-2));

        for n in 0..99 {
            assert!(matches!(bench.post(sample_body(n)).await, Err(SaleRefused::Invalid(_))));
        }
        assert_eq!(bench.post(sample_body(99)).await, Err(SaleRefused::ClockSuspect));
        assert!(matches!(bench.health.get(Leg::Clock), LegState::Down(_)));

        bench.clock.set_offset(TimeDelta::zero());
        for n in 100..150 {
            assert!(bench.post(sample_body(n)).await.is_ok());
        }
        assert_eq!(bench.health.get(Leg::Clock), LegState::Up);
    })
    .await;
}

fn event() -> AggregatedEvent {
    let (store_id, window_start) = (StoreId::from_number(7).unwrap(), sample_time(0));
    AggregatedEvent {
        total_amount: Money::from_cents(757),
        event_id: AggregatedEvent::id_of(store_id, window_start, 1, false),
        store_id,
        begin_stream_aggregator: sample_time(10),
        end_stream_aggregator: sample_time(10),
        window_start,
        window_end: sample_time(10_000),
        transaction_count: 1,
        is_final: false,
        currency: "EUR".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_is_published_byte_for_byte() {
    locally(async {
        let (publisher, published) = willing();
        let bench = bench(publisher);

        bench.pool.aggregates().ask(PublishAggregate { event: event(), trace: None }, WITHIN).await.unwrap().unwrap();

        let message = published.lock().unwrap().remove(0);
        let id = event().event_id;
        assert_eq!(message.topic, format!("sale/pos/transaction/aggregations/STORE_7/{id}/7.57"));
        assert_eq!((message.message_id, message.payload.to_vec()), (id, event().to_json()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tills_that_crowd_a_hung_validator_do_not_hold_windows_up() {
    locally(async {
        let place = Place::here();
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
        let mut settings = ValidatorSettings::default();
        (settings.validation.pool, settings.validation.mailbox) = (2, 1);
        let ((publisher, published), prefix, health) = (willing(), TopicPrefix::default(), HealthBoard::default());
        let wiring = ValidatorWiring { publisher, prefix, clock: WallClock::stopped_at(sample_time(0)), health };
        let pool = spawn_validators(&root, &[place], &settings, &wiring).unwrap();
        root.inject("root.validator-1", Fault::Hang).unwrap();
        // The first one makes it hang, the others fill its mailbox; every second one is the other validator's.
        let stuck = (0..4).map(|n| pool.ask(ValidateSale::new(sample_body(n)), WITHIN));
        let mut stuck = std::pin::pin!(futures_util::future::join_all(stuck));
        assert!(timeout(Duration::from_millis(1), &mut stuck).await.is_err());

        let order = PublishAggregate { event: event(), trace: None };
        let answer = pool.aggregates().ask(order, Duration::from_millis(50)).await;

        assert_eq!(answer, Ok(Ok(())));
        assert!(published.lock().unwrap().iter().any(|message| message.message_id == event().event_id));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_with_an_id_that_it_cannot_have_is_refused() {
    locally(async {
        let (publisher, published) = willing();
        let forged = AggregatedEvent { transaction_count: 2, ..event() };

        let answer = bench(publisher)
            .pool
            .aggregates()
            .ask(PublishAggregate { event: forged, trace: None }, WITHIN)
            .await
            .unwrap();

        assert!(matches!(answer, Err(AggregateRefused::Invalid(_))), "{answer:?}");
        assert!(published.lock().unwrap().is_empty());
    })
    .await;
}

fn prefix_changed(prefix: &str) -> SecretsChanged {
    let keys = [("pos_topic_prefix".to_owned(), prefix.into())].into();
    let entry = SecretEntry::new(2, sample_time(0), keys);
    let path = "message-broker/config".to_owned();
    SecretsChanged { tree: SecretTree { entries: [(path.clone(), entry)].into() }.into(), changed: vec![path] }
}

#[tokio::test(start_paused = true)]
async fn sales_stay_below_the_prefix_of_the_start_because_queues_do() {
    locally(async {
        let (publisher, published) = willing();
        let bench = bench(publisher);
        bench.pool.secrets().tell(prefix_changed("chain/b")).unwrap();
        bench.post(sample_body(1)).await.unwrap();
        bench.pool.secrets().tell(prefix_changed("no//prefix")).unwrap();
        bench.root.inject("root.validator-1", Fault::Panic).unwrap();
        bench.post(sample_body(2)).await.unwrap();

        let topics: Vec<String> = published.lock().unwrap().iter().map(|message| message.topic.clone()).collect();
        let kept = |topic: &String| topic.starts_with("sale/pos/transaction/receipt/");
        assert!(topics.len() == 2 && topics.iter().all(kept), "{topics:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_validator_that_dies_costs_the_sale_in_hand_and_no_other() {
    locally(async {
        let bench = bench(willing().0);
        bench.post(sample_body(1)).await.unwrap();
        bench.root.inject("root.validator-1", Fault::PanicAfter).unwrap();

        let lost = bench.pool.ask(ValidateSale::new(sample_body(2)), WITHIN).await;

        assert_eq!(lost, Err(AskError::Lost));
        assert!(bench.post(sample_body(2)).await.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn sales_on_their_way_survive_the_death_of_their_validator() {
    locally(async {
        let (slow, slot) = Port::deferred();
        let bench = bench(slow);
        let mut on_its_way = std::pin::pin!(bench.pool.ask(ValidateSale::new(sample_body(1)), WITHIN));
        assert!(timeout(Duration::from_millis(10), &mut on_its_way).await.is_err());

        bench.root.inject("root.validator-1", Fault::Panic).unwrap();
        sleep(Duration::from_millis(10)).await;
        slot.bind(willing().0);

        // Answered, or known to be lost; never a success that the broker does not know of.
        let answer = on_its_way.await;
        assert!(matches!(answer, Ok(Ok(_)) | Err(AskError::Lost)), "{answer:?}");
        assert!(bench.post(sample_body(2)).await.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_refuses_and_takes_sales_again_later() {
    locally(async {
        let (publisher, _) = willing();
        let place = Place::here();
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
        let mut settings = ValidatorSettings::default();
        (settings.validation.pool, settings.validation.mailbox) = (2, 3);
        let (prefix, health) = (TopicPrefix::default(), HealthBoard::default());
        let wiring = ValidatorWiring { publisher, prefix, clock: WallClock::stopped_at(sample_time(0)), health };
        let pool = spawn_validators(&root, &[place], &settings, &wiring).unwrap();

        let all = (0..50).map(|n| pool.ask(ValidateSale::new(sample_body(n)), WITHIN));
        let answers = futures_util::future::join_all(all).await;

        let full = answers.iter().filter(|answer| matches!(answer, Err(AskError::Full))).count();
        let accepted = answers.iter().filter(|answer| matches!(answer, Ok(Ok(_)))).count();
        assert!(full > 0 && accepted >= 6, "{full} full, {accepted} accepted");
        assert_eq!(full + accepted, 50);
        assert!(pool.ask(ValidateSale::new(sample_body(50)), WITHIN).await.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hung_validator_with_a_full_mailbox_does_not_turn_tills_away() {
    locally(async {
        let place = Place::here();
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
        let mut settings = ValidatorSettings::default();
        (settings.validation.pool, settings.validation.mailbox) = (2, 1);
        let (publisher, prefix, health) = (willing().0, TopicPrefix::default(), HealthBoard::default());
        let wiring = ValidatorWiring { publisher, prefix, clock: WallClock::stopped_at(sample_time(0)), health };
        let pool = spawn_validators(&root, &[place], &settings, &wiring).unwrap();
        pool.ask(ValidateSale::new(sample_body(0)), WITHIN).await.unwrap().unwrap();
        root.inject("root.validator-2", Fault::Hang).unwrap();
        let stuck = (1..3).map(|n| pool.ask(ValidateSale::new(sample_body(n)), WITHIN));
        let mut stuck = std::pin::pin!(futures_util::future::join_all(stuck));
        assert!(timeout(Duration::from_millis(1), &mut stuck).await.is_err());

        for n in 3..9 {
            let answer = pool.ask(ValidateSale::new(sample_body(n)), Duration::from_millis(50)).await;
            assert!(matches!(answer, Ok(Ok(_))), "{n}: {answer:?}");
        }
    })
    .await;
}

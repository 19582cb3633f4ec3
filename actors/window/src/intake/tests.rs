//! The intake alone, on a paused clock; the test plays flow, router and outbox.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tillstream_domain::TransactionId;
use tillstream_domain::fixtures::{SampleBody, sample_id, sample_time};
use tillstream_messages::Tampering;
use tillstream_supervision::{ActorSpec, Handle, Place, Slot, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;

use super::*;
use crate::messages::JOURNAL_EPOCH;

const WITHIN: Duration = Duration::from_secs(60);

/// The metric is one of the process, so its readers take turns.
static TURN: Mutex<()> = Mutex::new(());

/// What the intake has told its neighbours.
#[derive(Default)]
struct Seen {
    told: Mutex<Vec<ToldSale>>,
    acknowledged: Mutex<Vec<u64>>,
    settled: Mutex<Vec<SaleTag>>,
}

struct Bench {
    intake: Handle<Intake>,
    seen: Arc<Seen>,
    tamper: Tamper,
    /// Nobody answers an order to journal before this is bound.
    journal: Option<Slot<JournalSales>>,
    _root: Supervisor,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bench {
    async fn start(window: usize) -> Self {
        let (seen, tamper) = (Arc::new(Seen::default()), Tamper::default());
        let (journal, slot) = Port::deferred();
        let (told, acknowledged, settled) = (Arc::clone(&seen), Arc::clone(&seen), Arc::clone(&seen));
        let ports = IntakePorts {
            sales: Port::from_fn(move |delivered: SalesDelivered| lock(&told.told).extend(delivered.sales)),
            told_again: Port::from_fn(|_| ()),
            rejected: Port::from_fn(|_| ()),
            journal,
            load_journal: Port::from_fn(|LoadJournal| Ok(Vec::new())),
            settle: Port::from_fn(move |settle: Settle| lock(&settled.settled).extend(settle.tags)),
            acknowledge: Port::from_fn(move |order: AcknowledgeDeliveries| {
                lock(&acknowledged.acknowledged).extend(order.tags.iter().map(|tag| tag.number));
            }),
            rebind: Port::from_fn(|_| ()),
        };
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let switch = tamper.clone();
        let factory = move || Intake::new(ports.clone(), switch.clone());
        let intake = root.spawn(ActorSpec::new("intake", "intake"), &Place::here(), factory).unwrap();
        intake.ask(FlowBound { epoch: 1, window }, WITHIN).await.unwrap();
        Self { intake, seen, tamper, journal: Some(slot), _root: root }
    }

    async fn deliver(&self, messages: Vec<InboundMessage>) {
        self.intake.ask(MessagesDelivered { epoch: 1, messages }, WITHIN).await.unwrap();
    }

    async fn tell_again(&self) {
        let request = Request { scope: Scope::All, number: 7 };
        self.intake.ask(TellAgain(request), WITHIN).await.unwrap();
        // The answer is an order of the intake to itself.
        self.deliver(Vec::new()).await;
    }

    /// Ids and cents of what was told since the last look.
    fn told(&self) -> Vec<(TransactionId, i64)> {
        let told = std::mem::take(&mut *lock(&self.seen.told));
        told.iter().map(|told| (told.sale.id, told.sale.amount.cents())).collect()
    }

    fn acknowledged(&self) -> Vec<u64> {
        lock(&self.seen.acknowledged).clone()
    }
}

/// Sale `number` of that many cents, as validation publishes it.
fn message(number: u64, cents: i64) -> InboundMessage {
    let body = SampleBody { id: sample_id(number), lines: vec![(1, cents)], ..SampleBody::default() };
    let payload = body.checked().transaction.to_payload(sample_time(0)).into();
    InboundMessage { tag: DeliveryTag { epoch: 1, number }, topic: "receipt".into(), payload, redelivered: false }
}

fn again(number: u64, cents: i64) -> InboundMessage {
    InboundMessage { redelivered: true, ..message(number, cents) }
}

fn run(test: impl Future<Output = ()>) {
    let _turn = lock(&TURN);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn a_sale_that_is_lost_on_purpose_is_acknowledged_and_never_told() {
    run(async {
        let bench = Bench::start(100).await;
        bench.tamper.arm(Tampering::Lose);

        bench.deliver(vec![message(1, 100), message(2, 200)]).await;
        bench.tell_again().await;

        assert_eq!(bench.told(), [(sample_id(2), 200), (sample_id(2), 200)]);
        assert_eq!(bench.acknowledged(), [1]);
        assert!(!bench.tamper.is_armed());
    });
}

#[test]
fn a_sale_that_is_doubled_on_purpose_is_told_once_more_as_another_sale_of_its_store() {
    run(async {
        let bench = Bench::start(100).await;
        bench.tamper.arm(Tampering::Double);

        bench.deliver(vec![message(1, 100), message(2, 200)]).await;

        let told = lock(&bench.seen.told).clone();
        let [first, second, double] = &told[..] else { panic!("{told:?}") };
        assert_eq!((first.sale.id, second.sale.id), (sample_id(1), sample_id(2)));
        assert_ne!(double.sale.id, first.sale.id);
        assert_eq!(double.sale, Sale { id: double.sale.id, ..first.sale });
        bench.deliver(vec![message(3, 300)]).await;
        assert_eq!(bench.told().len(), 4, "once");
    });
}

#[test]
fn a_sale_that_is_mispriced_on_purpose_is_a_cent_dearer_also_when_it_is_told_again() {
    run(async {
        let bench = Bench::start(100).await;
        bench.tamper.arm(Tampering::Misprice);

        bench.deliver(vec![message(1, 100), message(2, 200)]).await;
        bench.tell_again().await;

        let wrong = [(sample_id(1), 101), (sample_id(2), 200)];
        assert_eq!(bench.told(), [wrong, wrong].concat());
        assert!(bench.acknowledged().is_empty());
    });
}

#[test]
fn an_order_to_miscount_waits_for_a_sale_that_no_window_can_know_yet() {
    run(async {
        let bench = Bench::start(100).await;
        bench.tamper.arm(Tampering::Lose);

        bench.deliver(Vec::new()).await;
        bench.deliver(vec![again(1, 100)]).await;
        assert_eq!((bench.told(), bench.tamper.is_armed()), (vec![(sample_id(1), 100)], true));

        bench.deliver(vec![again(2, 200), message(3, 300)]).await;
        assert_eq!((bench.told(), bench.acknowledged()), (vec![(sample_id(2), 200)], vec![3]));
    });
}

#[test]
fn what_is_delivered_or_told_again_is_counted_as_replayed_and_nothing_else_is() {
    run(async {
        let bench = Bench::start(100).await;
        let before = metrics::REPLAYED.get();

        bench.deliver(vec![message(1, 100), message(2, 200)]).await;
        assert_eq!(metrics::REPLAYED.get() - before, 0);
        bench.deliver(vec![again(3, 300)]).await;
        assert_eq!(metrics::REPLAYED.get() - before, 1);
        bench.tell_again().await;
        assert_eq!(metrics::REPLAYED.get() - before, 4);
    });
}

#[test]
fn sales_that_the_outbox_does_not_journal_in_time_stay_with_the_flow_and_are_journalled_later_under_new_numbers() {
    run(async {
        let mut bench = Bench::start(10).await;
        bench.deliver((1..=8).map(|number| message(number, 100)).collect()).await;

        tokio::time::sleep(JOURNAL_WITHIN + Duration::from_millis(1)).await;
        let given_up = lock(&bench.seen.settled).clone();
        assert_eq!(given_up.len(), 4, "the older half may be on disk yet and is forgotten there");
        assert!(given_up.iter().all(|tag| tag.epoch == JOURNAL_EPOCH));
        assert!(bench.acknowledged().is_empty(), "nothing was said to be on disk");

        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&written);
        let journal = Port::from_fn(move |order: JournalSales| {
            lock(&kept).extend(order.sales);
            Ok(())
        });
        bench.journal.take().unwrap().bind(journal);
        tokio::time::sleep(RETRY * 2).await;
        let numbers: Vec<u64> = lock(&written).iter().map(|&(number, _)| number).collect();
        assert_eq!(numbers.len(), 4);
        assert!(given_up.iter().all(|tag| !numbers.contains(&tag.number)), "a late order to forget would hit them");
        assert_eq!(bench.acknowledged(), [1, 2, 3, 4]);
    });
}

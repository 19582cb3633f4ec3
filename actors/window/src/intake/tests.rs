//! The intake alone, on a paused clock; the test plays flow, router and outbox.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tillstream_domain::fixtures::{SampleBody, sample_id, sample_time};
use tillstream_domain::{StoreId, TransactionId};
use tillstream_messages::Tampering;
use tillstream_supervision::{ActorSpec, Handle, Place, Slot, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;

use super::telling::CHUNK;
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
    answers: Mutex<Vec<(Request, Part)>>,
}

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// Numbers of deliveries.
    Sales(Vec<u64>),
    End,
}

impl Seen {
    fn hear(&self, delivered: SalesDelivered) {
        if let Some(request) = delivered.again {
            let numbers = delivered.sales.iter().map(|told| told.tag.number).collect();
            lock(&self.answers).push((request, Part::Sales(numbers)));
        }
        lock(&self.told).extend(delivered.sales);
    }
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
        let (told, answered) = (Arc::clone(&seen), Arc::clone(&seen));
        let (acknowledged, settled) = (Arc::clone(&seen), Arc::clone(&seen));
        let ports = IntakePorts {
            sales: Port::from_fn(move |delivered| told.hear(delivered)),
            told_again: Port::from_fn(move |ToldAgain(of)| lock(&answered.answers).push((of, Part::End))),
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
        self.answer(&[Request { scope: Scope::All, number: 7 }]).await;
    }

    /// Has all of these answered that come in one moment.
    async fn answer(&self, requests: &[Request]) {
        requests.iter().for_each(|&request| self.intake.push(TellAgain(request)).unwrap());
        // The answer is an order of the intake to itself.
        self.deliver(Vec::new()).await;
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
    InboundMessage {
        tag: DeliveryTag { epoch: 1, number },
        topic: "receipt".into(),
        payload,
        redelivered: false,
        trace: None,
    }
}

fn message_of(number: u64, store: u32) -> InboundMessage {
    let body = SampleBody { id: sample_id(number), store, ..SampleBody::default() };
    let payload = body.checked().transaction.to_payload(sample_time(0)).into();
    InboundMessage { payload, ..message(number, 100) }
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

#[test]
fn copies_that_may_be_in_the_journal_are_ordered_to_be_forgotten_with_every_answer_until_they_are() {
    run(async {
        let bench = Bench::start(10).await;
        bench.deliver((1..=8).map(|number| message(number, 100)).collect()).await;
        tokio::time::sleep(JOURNAL_WITHIN + Duration::from_millis(1)).await;
        let copies = std::mem::take(&mut *lock(&bench.seen.settled));
        assert_eq!(copies.len(), 4);

        bench.tell_again().await;
        assert_eq!(std::mem::take(&mut *lock(&bench.seen.settled)), copies, "the outbox may have died over the order");
        bench.intake.ask(SalesSettled { tags: copies[..3].to_vec() }, WITHIN).await.unwrap();
        bench.intake.ask(FlowBound { epoch: 2, window: 10 }, WITHIN).await.unwrap();
        bench.tell_again().await;
        assert_eq!(std::mem::take(&mut *lock(&bench.seen.settled)), copies[3..]);
        bench.intake.ask(SalesSettled { tags: copies }, WITHIN).await.unwrap();
        bench.tell_again().await;
        assert!(lock(&bench.seen.settled).is_empty());
        assert!(bench.acknowledged().is_empty(), "copies are nothing that the flow holds");
    });
}

/// All parts of an answer, and whether its end came behind them.
fn answer_to(request: Request, answers: &[(Request, Part)]) -> (Vec<u64>, bool) {
    let parts: Vec<_> = answers.iter().filter(|(of, _)| *of == request).map(|(_, part)| part).collect();
    let sales = parts.iter().filter_map(|part| if let Part::Sales(numbers) = part { Some(numbers) } else { None });
    let ends_once = parts.iter().filter(|part| ***part == Part::End).count() == 1;
    (sales.flatten().copied().collect(), ends_once && parts.last() == Some(&&Part::End))
}

#[test]
fn stores_that_ask_in_one_moment_are_answered_in_one_look_each_with_its_own_sales_in_order_and_then_the_end() {
    run(async {
        let bench = Bench::start(100_000).await;
        let many = 3 * CHUNK as u64 + 600;
        bench.deliver((1..=many).map(|number| message_of(number, 1 + (number % 3) as u32)).collect()).await;
        let of = |store: u32, number| Request { scope: Scope::Store(StoreId::from_number(store).unwrap()), number };

        bench.answer(&[of(1, 5), of(2, 8), of(1, 6), of(9, 4)]).await;

        let answers = lock(&bench.seen.answers).clone();
        let own = |store: u64| (1..=many).filter(|number| number % 3 == store - 1).collect::<Vec<_>>();
        assert_eq!(answer_to(of(1, 6), &answers), (own(1), true));
        assert_eq!(answer_to(of(2, 8), &answers), (own(2), true));
        assert_eq!(answer_to(of(9, 4), &answers), (Vec::new(), true), "the end of an empty answer is awaited too");
        assert!(answers.iter().all(|(request, _)| *request != of(1, 5)), "nobody waits for the older answer");
        let begun: Vec<_> = answers[..2].iter().map(|(request, _)| *request).collect();
        assert!(begun.contains(&of(1, 6)) && begun.contains(&of(2, 8)), "one look: both begin before either ends");
    });
}

#[test]
fn a_router_and_an_outbox_that_ask_in_one_moment_are_both_served_before_the_stores() {
    run(async {
        let bench = Bench::start(100).await;
        bench.deliver((1..=4).map(|number| message_of(number, 1)).collect()).await;
        let (router, outbox) =
            (Request { scope: Scope::All, number: 2 << 40 }, Request { scope: Scope::All, number: 0 });
        let store = Request { scope: Scope::Store(StoreId::from_number(1).unwrap()), number: 5 };

        for requests in [[store, router, outbox], [outbox, router, store]] {
            bench.answer(&requests).await;
            let answers = std::mem::take(&mut *lock(&bench.seen.answers));
            let all = Part::Sales(vec![1, 2, 3, 4]);
            assert_eq!(answers, [(router, all.clone()), (router, Part::End), (store, all), (store, Part::End)]);
        }
    });
}

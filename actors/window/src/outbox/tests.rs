//! The outbox alone on a real state, whose disk can be made to refuse; on a paused clock, and the test plays all others.

use std::path::Path;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta};
use tillstream_domain::{AggregatedEvent, FinalWindow, FoldedSale, HeldLate, LateSale, Money, Sale, TransactionId};
use tillstream_index::WriteGate;
use tillstream_messages::{StorageSwitch, StorageTrouble};
use tillstream_supervision::{ActorSpec, Handle, Place, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;
use uuid::Uuid;

use super::*;

/// The metrics are the process's, so their readers take turns.
static TURN: Mutex<()> = Mutex::new(());

const DAY: Duration = Duration::from_secs(86_400);

/// What the outbox has told.
#[derive(Default)]
struct Seen {
    stored: Mutex<Vec<Stored>>,
    settled: Mutex<Vec<SaleTag>>,
    published: Mutex<Vec<Uuid>>,
}

struct Bench {
    outbox: Handle<Outbox>,
    seen: Arc<Seen>,
    disk: StorageSwitch,
    health: HealthBoard,
    _root: Supervisor,
}

impl Bench {
    async fn start(dir: &Path, horizon: Duration) -> Self {
        let (health, disk) = (HealthBoard::default(), StorageSwitch::default());
        let asked = disk.clone();
        let state = StateStore::open(dir, horizon, WriteGate::new(move || asked.check())).unwrap();
        let (seen, state) = (Arc::new(Seen::default()), Arc::new(state));
        let (stored, settled, published) = (Arc::clone(&seen), Arc::clone(&seen), Arc::clone(&seen));
        let ports = OutboxPorts {
            aggregates: Port::from_fn(|_| Ok(())),
            messages: Port::from_fn(move |message: PublishMessage| {
                published.published.lock().unwrap().push(message.message_id);
                Ok(())
            }),
            stored: Port::from_fn(move |DecisionsStored(told)| stored.stored.lock().unwrap().extend(told)),
            settled: Port::from_fn(move |told: SalesSettled| settled.settled.lock().unwrap().extend(told.tags)),
            tell_again: Port::from_fn(|_| ()),
            health: health.clone(),
        };
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let factory = move || Outbox::new(1, Arc::clone(&state), Topics::default(), ports.clone());
        let outbox = root.spawn(ActorSpec::new("outbox", "outbox"), &Place::here(), factory).unwrap();
        let bench = Self { outbox, seen, disk, health, _root: root };
        bench.until("the state is open", || bench.leg() == LegState::Up).await;
        bench
    }

    fn leg(&self) -> LegState {
        self.health.get(Leg::WindowState)
    }

    fn is_down(&self, why: &str) -> bool {
        matches!(self.leg(), LegState::Down(reason) if reason.contains(why))
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..3_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the outbox never came so far: {what}; the leg: {:?}", self.leg());
    }

    /// Decides that a window is final whose only sale this is.
    fn decide_final(&self, sale: &Sale) {
        let (window_start, window_end) = window();
        let event = AggregatedEvent {
            total_amount: sale.amount,
            event_id: Uuid::from_u128(77),
            store_id: sale.store,
            begin_stream_aggregator: sale.timestamp,
            end_stream_aggregator: sale.timestamp,
            window_start,
            window_end,
            transaction_count: 1,
            is_final: true,
            currency: "EUR".to_owned(),
        };
        let folded = FoldedSale { id: sale.id, amount: sale.amount, tag: tag(1) };
        let window = FinalWindow { decision: 1, follows: None, event, sales: vec![folded], older_tags: Vec::new() };
        self.outbox.push(DecideFinal { window: Arc::new(window), step: Step::none() }).unwrap();
    }

    fn decide_late(&self, number: u64) {
        let (window_start, window_end) = window();
        let late = LateSale { sale: sale(number), window_start, window_end };
        self.outbox.push(DecideLate { held: HeldLate { late, tag: tag(number) }, trace: None }).unwrap();
    }

    fn settled(&self) -> usize {
        self.seen.settled.lock().unwrap().len()
    }
}

fn window() -> (DateTime<chrono::Utc>, DateTime<chrono::Utc>) {
    (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::seconds(10))
}

fn tag(number: u64) -> SaleTag {
    SaleTag { epoch: 1, number }
}

fn sale(number: u64) -> Sale {
    let time = DateTime::from_timestamp(5, 0).unwrap();
    let id = TransactionId::new(Uuid::from_u128(number.into()));
    Sale {
        id,
        store: StoreId::from_number(3).unwrap(),
        timestamp: time,
        accepted_at: time,
        amount: Money::from_cents(7),
    }
}

fn run(test: impl Future<Output = ()>) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn counted() -> (u64, u64) {
    (metrics::LATE.get(), metrics::WINDOWS_EMITTED.with_label_values(&["final"]).get())
}

#[test]
fn on_a_full_or_read_only_disk_nothing_is_said_settled_or_counted_and_all_of_it_once_the_disk_is_well() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::start(dir.path(), DAY).await;
        let before = counted();

        bench.disk.set(Some(StorageTrouble::Full));
        bench.decide_final(&sale(1));
        bench.until("the leg says why", || bench.is_down("No space left")).await;
        bench.disk.set(Some(StorageTrouble::ReadOnly));
        bench.decide_late(2);
        bench.until("the leg says why", || bench.is_down("Read-only")).await;
        bench.decide_final(&sale(1));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(bench.seen.stored.lock().unwrap().is_empty() && bench.seen.published.lock().unwrap().is_empty());
        assert_eq!((bench.settled(), counted()), (0, before), "what is not stored has not happened");

        bench.disk.set(None);
        bench.until("the leg stands", || bench.leg() == LegState::Up).await;
        bench.until("both are settled", || bench.settled() == 2).await;
        assert_eq!(*bench.seen.published.lock().unwrap(), [sale(2).id.uuid()]);
        assert_eq!(counted(), (before.0 + 1, before.1 + 1));

        // Told once more, as a window does that started over: it is known, and counted no second time.
        bench.decide_late(2);
        bench.until("the repetition is settled", || bench.settled() == 3).await;
        assert_eq!(counted(), (before.0 + 1, before.1 + 1));
    });
}

#[test]
fn a_failed_rotation_of_the_index_closes_the_state_and_the_outbox_opens_it_again() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        // The shortest horizon there is: a generation begins with every second of the real clock.
        let bench = Bench::start(dir.path(), Duration::from_secs(1)).await;
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(1_100) {
            std::thread::park_timeout(Duration::from_millis(100));
        }

        // No sale comes, so that only the rotation can notice.
        bench.disk.set(Some(StorageTrouble::Full));
        bench.until("the leg says why", || bench.is_down("No space left")).await;
        bench.disk.set(None);

        bench.until("the leg stands", || bench.leg() == LegState::Up).await;
        bench.decide_final(&sale(1));
        bench.until("a decision is stored and settled", || bench.settled() == 1).await;
    });
}

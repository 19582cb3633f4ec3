//! A window that starts over, on a paused clock; the test plays intake and router.

use std::sync::Mutex;

use tillstream_index::WriteGate;
use tillstream_supervision::{ActorSpec, Fault, Handle, Place, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;

use super::*;
use crate::settings::WindowSettings;

const WITHIN: Duration = Duration::from_secs(60);

type Asked = Arc<Mutex<Vec<Request>>>;

/// How many sales each decided window has.
type Decided = Arc<Mutex<Vec<usize>>>;

fn port<M>() -> Port<M>
where
    M: actix::Message<Result = ()> + Send + 'static,
{
    Port::from_fn(|_| ())
}

/// A window that was killed once, and what it has asked for.
async fn restarted_for_test(state: StateStore) -> (Handle<StoreWindow>, Asked, Decided) {
    let (asked, decided, state) = (Asked::default(), Decided::default(), Arc::new(state));
    let noted = Arc::clone(&decided);
    let seen = Arc::clone(&asked);
    let outputs = WindowOutputs {
        decide_final: Port::from_fn(move |decided: DecideFinal| noted.lock().unwrap().push(decided.window.sales.len())),
        decide_late: port(),
        rejected: port(),
        settle: port(),
        emit: port(),
        idle: port(),
        tell_again: Port::from_fn(move |TellAgain(request)| seen.lock().unwrap().push(request)),
    };
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
    let (store, rules) = (StoreId::from_number(3).unwrap(), WindowSettings::default().rules().unwrap());
    let factory = move || StoreWindow::new(store, rules.clone(), Arc::clone(&state), outputs.clone());
    let window = root.spawn(ActorSpec::new("window", "window"), &Place::here(), factory).unwrap();
    root.inject("root.window", Fault::Panic).unwrap();
    tell_part(&window, None).await;
    (window, asked, decided)
}

async fn tell_part(window: &Handle<StoreWindow>, again: Option<Request>) {
    window
        .ask(StoreSales { sales: Vec::new(), steps: Steps::default(), progress: None, again, round: 1 }, WITHIN)
        .await
        .unwrap();
}

#[test]
fn an_answer_that_takes_long_is_not_asked_for_again_while_it_comes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let dir = tempfile::tempdir().unwrap();
        let state = StateStore::open(dir.path(), Duration::from_secs(86_400), WriteGate::default()).unwrap();
        let (window, asked, _) = restarted_for_test(state).await;
        let request = asked.lock().unwrap()[0];
        for _ in 0..5 {
            tokio::time::sleep(REPEAT * 3 / 4).await;
            tell_part(&window, Some(request)).await;
        }
        assert_eq!(*asked.lock().unwrap(), [request]);

        tokio::time::sleep(REPEAT * 3).await;
        assert!(asked.lock().unwrap().len() > 1, "an answer that stopped coming must be asked for again");
    });
}

#[test]
fn a_window_that_starts_over_decides_nothing_before_it_has_heard_of_all_its_sales() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let dir = tempfile::tempdir().unwrap();
        let state = StateStore::open(dir.path(), Duration::from_secs(86_400), WriteGate::default()).unwrap();
        let (window, asked, decided) = restarted_for_test(state).await;
        let again = asked.lock().unwrap()[0];
        let at = |hours: i64| Some(QueueProgress { span: 1, at_ms: hours * 3_600_000 });
        let part = |number, hours| {
            let (sales, progress) = (vec![told_for_test(number)], at(hours));
            StoreSales { sales, steps: Steps::default(), progress, again: Some(again), round: 1 }
        };
        // The window's time is over between two parts of the answer.
        window.ask(part(1, 0), WITHIN).await.unwrap();
        window.ask(TimePassed { progress: at(1), round: 2 }, WITHIN).await.unwrap();
        window.ask(part(2, 1), WITHIN).await.unwrap();
        assert_eq!(*decided.lock().unwrap(), [0; 0]);

        window.ask(ToldAgain(again), WITHIN).await.unwrap();
        window.ask(TimePassed { progress: at(2), round: 3 }, WITHIN).await.unwrap();
        assert_eq!(*decided.lock().unwrap(), [2]);
    });
}

fn told_for_test(number: u64) -> ToldSale {
    let time = chrono::DateTime::UNIX_EPOCH;
    let sale = tillstream_domain::Sale {
        id: TransactionId::new(uuid::Uuid::from_u128(number.into())),
        store: StoreId::from_number(3).unwrap(),
        timestamp: time,
        accepted_at: time,
        amount: tillstream_domain::Money::from_cents(1),
    };
    ToldSale { sale, tag: SaleTag { epoch: 1, number }, redelivered: true }
}

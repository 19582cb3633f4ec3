//! A window that starts over, on a paused clock; the test plays intake and router.

use std::sync::Mutex;

use tillstream_supervision::{ActorSpec, Fault, Handle, Place, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;

use super::*;
use crate::settings::WindowSettings;

const WITHIN: Duration = Duration::from_secs(60);

type Asked = Arc<Mutex<Vec<Request>>>;

fn port<M>() -> Port<M>
where
    M: actix::Message<Result = ()> + Send + 'static,
{
    Port::from_fn(|_| ())
}

/// A window that was killed once, and what it has asked for.
async fn restarted_for_test(state: StateStore) -> (Handle<StoreWindow>, Asked) {
    let (asked, state) = (Asked::default(), Arc::new(state));
    let seen = Arc::clone(&asked);
    let outputs = WindowOutputs {
        decide_final: port(),
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
    (window, asked)
}

async fn tell_part(window: &Handle<StoreWindow>, again: Option<Request>) {
    window.ask(StoreSales { sales: Vec::new(), progress: None, again, round: 1 }, WITHIN).await.unwrap();
}

#[test]
fn an_answer_that_takes_long_is_not_asked_for_again_while_it_comes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let dir = tempfile::tempdir().unwrap();
        let state = StateStore::open(dir.path(), Duration::from_secs(86_400)).unwrap();
        let (window, asked) = restarted_for_test(state).await;
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

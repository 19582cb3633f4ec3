//! A router that was killed, on a paused clock; the test plays intake.

use tillstream_supervision::{ActorSpec, Fault, Handle, Place, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;

use super::*;

const WITHIN: Duration = Duration::from_secs(60);

type Asked = Arc<Mutex<Vec<Request>>>;

/// A router that was killed once, and what it has asked for. No window is spawned, for no sale is told.
async fn restarted_for_test() -> (Handle<StoreRouter>, Asked) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let tell_again = Port::from_fn(move |TellAgain(request)| seen.lock().unwrap().push(request));
    let ports = RouterPorts { rejected: Port::from_fn(|_| ()), tell_again };
    let directory = WindowDirectory::new(|_| unreachable!());
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
    let factory = move || StoreRouter::new(ports.clone(), directory.clone());
    let router = root.spawn(ActorSpec::new("router", "router"), &Place::here(), factory).unwrap();
    root.inject("root.router", Fault::Panic).unwrap();
    tell_part(&router, None).await;
    (router, asked)
}

async fn tell_part(router: &Handle<StoreRouter>, again: Option<Request>) {
    router
        .ask(SalesDelivered { sales: Vec::new(), steps: Steps::default(), progress: None, again }, WITHIN)
        .await
        .unwrap();
}

#[test]
fn an_answer_that_takes_long_is_not_asked_for_again_while_it_comes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let (router, asked) = restarted_for_test().await;
        let request = asked.lock().unwrap()[0];
        for _ in 0..5 {
            tokio::time::sleep(ASK_AGAIN * 3 / 4).await;
            tell_part(&router, Some(request)).await;
        }
        assert_eq!(*asked.lock().unwrap(), [request]);

        tokio::time::sleep(ASK_AGAIN * 3).await;
        assert!(asked.lock().unwrap().len() > 1, "an answer that stopped coming must be asked for again");
    });
}

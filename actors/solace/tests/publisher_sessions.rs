//! Sessions of the publisher that are refused, lost, replaced or killed, and what its senders hear of it.
//! What a broker says about single messages is another file's.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod publishing;
mod scripted;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use publishing::{Bench, CREDS, WITHIN, locally, numbers, quick, sale, until};
use scripted::{Script, ScriptedBroker, Word, honest, is_probe};
use tillstream_messages::{LegState, PublishError};
use tillstream_smf::{Capability, Login, Published, Response};
use tillstream_solace::SolaceSettings;
use tillstream_supervision::{AskError, Fault, Outcome, Place, Watchdog, WatchdogSettings};
use tokio::time::{sleep, timeout};

const QUICK_WATCHDOG: WatchdogSettings = WatchdogSettings {
    every: Duration::from_millis(20),
    hung_after: Duration::from_millis(200),
    blocked_after: Duration::from_secs(2),
    max_zombies: 2,
};

fn is_down(answer: &Result<(), PublishError>) -> bool {
    matches!(answer, Err(PublishError::Down(_)))
}

fn probes_get(word: Word) -> Script {
    let message = move |published: &Published| if is_probe(published) { word.clone() } else { Word::Acknowledge };
    Script { message: Box::new(message), ..Script::default() }
}

#[tokio::test]
async fn a_broker_that_acknowledges_what_no_queue_takes_is_not_published_to_until_it_is_mended() {
    locally(async {
        let bench = Bench::new(probes_get(Word::Acknowledge));
        until("the leg gives advice", || bench.is_down_with("reject-msg-to-sender-on-no-subscription-match")).await;
        assert!(is_down(&bench.publish(1).await));

        bench.broker.script().message = Box::new(honest);

        bench.up().await;
        assert_eq!(bench.publish(2).await, Ok(()));
        assert_eq!(numbers(&bench.broker.messages()), [2]);
    })
    .await;
}

#[tokio::test]
async fn a_user_that_may_not_publish_the_probe_publishes_nothing_until_it_may() {
    locally(async {
        let bench = Bench::new(probes_get(Word::Reject(Response::PUBLISH_ACL_DENIED)));

        until("the leg says what to allow", || bench.is_down_with("let this user's ACL profile publish to")).await;
        assert!(is_down(&bench.publish(1).await), "nobody knows what an acknowledgement would mean");
        bench.broker.script().message = Box::new(honest);
        bench.up().await;

        assert_eq!(bench.publish(2).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_would_have_no_sale_is_not_called_ready_though_its_session_stands() {
    locally(async {
        let full = |published: &Published| match is_probe(published) {
            true => honest(published),
            false => Word::Reject(Response::SERVICE_UNAVAILABLE),
        };
        let bench = Bench::new(Script { message: Box::new(full), ..Script::default() });
        bench.up().await;

        assert!(matches!(bench.publish(1).await, Err(PublishError::Storage(_))));
        until("the leg says why", || bench.is_down_with("Service Unavailable")).await;
        bench.broker.script().message = Box::new(honest);
        assert_eq!(bench.publish(2).await, Ok(()));

        bench.up().await;
        assert_eq!(bench.broker.logins().len(), 1, "it heals without a new session");
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_rejects_the_probe_for_another_reason_is_not_published_to() {
    locally(async {
        let bench = Bench::new(probes_get(Word::Reject(Response::SPOOL_OVER_QUOTA)));

        until("the leg says why", || bench.is_down_with("Spool Over Quota")).await;

        assert!(is_down(&bench.publish(1).await));
    })
    .await;
}

#[tokio::test]
async fn a_user_without_guaranteed_messaging_is_told_so() {
    locally(async {
        let capabilities = vec![Capability::GuaranteedConsume];
        let bench = Bench::new(Script { capabilities, ..Script::default() });

        until("the leg gives advice", || bench.is_down_with("guaranteed messages")).await;

        assert!(is_down(&bench.publish(1).await));
    })
    .await;
}

#[tokio::test]
async fn when_the_connection_is_cut_all_who_wait_hear_so_and_a_new_session_takes_over() {
    locally(async {
        let bench = Bench::new(Script { withhold: true, ..Script::default() });
        bench.up().await;

        let waiting = bench.publish_all(0..300);
        let cut = async {
            until("a window of messages is on its way", || bench.broker.count() == 255).await;
            bench.broker.script().withhold = false;
            bench.broker.script().login = Box::new(|_| Response::new(503, "Service Unavailable"));
            bench.broker.cut();
        };
        let (answers, ()) = tokio::join!(waiting, cut);

        assert!(answers.iter().all(is_down), "{answers:?}");
        until("the leg says why", || bench.is_down_with("Service Unavailable")).await;
        assert!(is_down(&bench.publish(300).await));
        bench.broker.script().login = Box::new(|_| Response::OK);
        bench.up().await;
        assert!(bench.publish_all(0..300).await.iter().all(Result::is_ok));
        let names: BTreeSet<String> = bench.broker.logins().into_iter().map(|login| login.client_name).collect();
        assert_eq!(names.len(), bench.broker.logins().len(), "a client name was used twice");
        until("the lost session is closed", || bench.broker.open() == 1).await;
    })
    .await;
}

#[tokio::test]
async fn the_end_of_guaranteed_publishing_ends_the_session_and_all_who_wait_hear_so() {
    locally(async {
        let bench = Bench::new(Script { withhold: true, ..Script::default() });
        bench.up().await;

        let answer = bench.publisher.ask(sale(1), WITHIN);
        until("the broker has it", || bench.broker.count() == 1).await;
        bench.broker.end_publishing();

        assert!(is_down(&answer.await.unwrap()));
        bench.broker.release();
        until("another session is up", || bench.broker.logins().len() == 2 && bench.state() == LegState::Up).await;
        assert_eq!(bench.publish(2).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_gives_no_sign_of_life_is_given_up_and_who_waits_hears_so() {
    locally(async {
        let settings = SolaceSettings { keep_alive: Duration::from_millis(100), ..quick() };
        let bench = Bench::with(Script::default(), settings);
        bench.up().await;

        bench.broker.script().mute = true;
        let answer = bench.publisher.ask(sale(1), WITHIN).await.unwrap();
        assert!(is_down(&answer), "{answer:?}");
        bench.broker.script().mute = false;

        bench.up().await;
        assert_eq!(bench.publish(2).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_login_that_is_refused_is_tried_until_it_is_allowed_and_the_leg_says_where_to_look() {
    locally(async {
        let bench = Bench::new(Script { login: Box::new(|_| Response::UNAUTHORIZED), ..Script::default() });
        until("the leg says where to look", || bench.is_down_with("Unauthorized") && bench.is_down_with(CREDS)).await;
        until("it is tried again and again", || bench.broker.logins().len() >= 5).await;
        assert!(is_down(&bench.publish(1).await));

        bench.broker.script().login = Box::new(|_| Response::OK);

        bench.up().await;
        assert_eq!(bench.publish(2).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_accepts_and_says_nothing_holds_nobody_up() {
    locally(async {
        let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let host = format!("tcp://{}", silent.local_addr().unwrap());
        let settings = SolaceSettings { host: Some(host), connect_within: Duration::from_millis(200), ..quick() };
        let bench = Bench::with(Script::default(), settings);

        until("the leg says why", || bench.is_down_with("subcode")).await;

        assert!(is_down(&bench.publish(1).await));
    })
    .await;
}

#[tokio::test]
async fn hosts_are_tried_in_their_order_and_names_that_mean_nothing_hold_nobody_up() {
    locally(async {
        let broker = ScriptedBroker::start(Script::default());
        let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let hosts = format!("tcp://no-such-host.invalid:55555,tcp://{closed},{}", broker.url());
        let bench = Bench::with(Script::default(), SolaceSettings { host: Some(hosts), ..quick() });

        assert!(is_down(&bench.publish(1).await));

        bench.up().await;
        assert_eq!(bench.publish(2).await, Ok(()));
        assert_eq!((broker.count(), bench.broker.logins().len()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_host_that_refuses_logins_does_not_keep_the_others_of_the_list_from_being_tried() {
    locally(async {
        let standby = Script { login: Box::new(|_| Response::MESSAGE_VPN_UNAVAILABLE), ..Script::default() };
        let (first, second) = (ScriptedBroker::start(standby), ScriptedBroker::start(Script::default()));
        let hosts = format!("{},{}", first.url(), second.url());
        let bench = Bench::with(Script::default(), SolaceSettings { host: Some(hosts), ..quick() });

        bench.up().await;

        assert_eq!(bench.publish(1).await, Ok(()));
        assert_eq!((first.count(), second.count()), (0, 1));
        assert!(!first.logins().is_empty());
    })
    .await;
}

#[tokio::test]
async fn new_credentials_take_over_under_load_without_a_failed_publish() {
    locally(async {
        let passwords = Arc::new(Mutex::new(BTreeSet::from(["first".to_owned()])));
        let known = Arc::clone(&passwords);
        let login = move |login: &Login| {
            let password =
                login.password.as_ref().map(|password| secrecy::ExposeSecret::expose_secret(password).to_owned());
            let fits = password.is_some_and(|password| known.lock().unwrap().contains(&password));
            if fits { Response::OK } else { Response::UNAUTHORIZED }
        };
        let bench = Bench::new(Script { login: Box::new(login), ..Script::default() });
        bench.up().await;

        let load = join_all((0..20_u32).map(|till| {
            let bench = &bench;
            async move {
                let mut answers = Vec::new();
                for round in 0..500 {
                    answers.push(bench.publish(till * 500 + round).await);
                }
                answers
            }
        }));
        let rotation = async {
            for password in ["second", "third", "fourth"] {
                passwords.lock().unwrap().insert(password.to_owned());
                bench.rotate("till", password);
                until("it is used", || bench.broker.logins().last().is_some_and(|login| login.password == password))
                    .await;
                until("the old session is closed", || bench.broker.open() == 1).await;
            }
        };
        let (answers, ()) = tokio::join!(load, rotation);

        assert!(answers.iter().flatten().all(Result::is_ok), "a publish failed");
        let seen = bench.broker.messages();
        let distinct: BTreeSet<u32> = numbers(&seen).into_iter().collect();
        assert_eq!((seen.len(), distinct.len()), (10_000, 10_000));
        assert_eq!(bench.broker.logins().len(), 4);
        assert_eq!(bench.state(), LegState::Up);
    })
    .await;
}

#[tokio::test]
async fn an_old_session_stays_until_it_is_owed_nothing_while_new_publishes_go_over_the_new_one() {
    locally(async {
        let bench = Bench::new(Script { withhold: true, ..Script::default() });
        bench.up().await;

        let old = bench.publisher.ask(sale(1), WITHIN);
        until("the broker has it", || bench.broker.count() == 1).await;
        bench.rotate("till", "second");
        until("the new session is up", || bench.broker.logins().len() == 2).await;
        // The probe's word makes it the one in use; until then publishes still go over the old one.
        let new = async {
            while bench.broker.messages().iter().all(|seen| seen.connection == 1) {
                drop(timeout(Duration::from_millis(20), bench.publisher.ask(sale(2), WITHIN)).await);
            }
        };
        assert!(timeout(WITHIN, new).await.is_ok(), "no publish goes over the new session");
        assert_eq!(bench.broker.open(), 2);
        bench.broker.release();

        assert_eq!(old.await, Ok(Ok(())));
        until("the old session is closed", || bench.broker.open() == 1).await;
    })
    .await;
}

#[tokio::test]
async fn an_old_session_that_is_never_answered_is_closed_in_the_end_and_its_senders_hear_so() {
    locally(async {
        let script = Script { withhold: true, ..Script::default() };
        let settings = SolaceSettings { retire_within: Duration::from_millis(300), ..quick() };
        let bench = Bench::with(script, settings);
        bench.up().await;

        let old = bench.publisher.ask(sale(1), WITHIN);
        until("the broker has it", || bench.broker.count() == 1).await;
        bench.rotate("till", "second");

        assert!(is_down(&old.await.unwrap()));
        until("the old session is closed", || bench.broker.logins().len() == 2 && bench.broker.open() == 1).await;
    })
    .await;
}

#[tokio::test]
async fn new_credentials_that_are_refused_leave_the_session_in_use_and_are_tried_until_they_work() {
    locally(async {
        let login = |login: &Login| match login.username.as_deref() {
            Some("till") => Response::OK,
            _ => Response::UNAUTHORIZED,
        };
        let bench = Bench::new(Script { login: Box::new(login), ..Script::default() });
        bench.up().await;

        bench.rotate("cashier", "second");
        until("it is tried again and again", || bench.broker.logins().len() >= 4).await;
        assert_eq!((bench.publish(1).await, bench.state()), (Ok(()), LegState::Up));
        bench.broker.script().login = Box::new(|_| Response::OK);

        until("the old session is closed", || {
            bench.broker.open() == 1 && bench.broker.logins().last().is_some_and(|login| login.username == "cashier")
        })
        .await;
        until("the new one is used", || bench.state() == LegState::Up).await;
        assert_eq!(bench.publish(2).await, Ok(()));
    })
    .await;
}

/// Publishes numbers one after the other until told to stop; what was answered with success.
async fn publish_until(stop: &Mutex<bool>, bench: &Bench, till: u32) -> Vec<u32> {
    let mut answered = Vec::new();
    for number in till * 1_000_000.. {
        if *stop.lock().unwrap() {
            break;
        }
        match bench.publisher.ask(sale(number), WITHIN).await {
            Ok(Ok(())) => answered.push(number),
            Ok(Err(PublishError::Down(_))) | Err(AskError::Lost | AskError::NotDelivered) => {
                sleep(Duration::from_millis(1)).await;
            }
            other => panic!("sale {number}: {other:?}"),
        }
    }
    answered
}

/// Load from twenty tills, struck again and again; every success must be one that the broker knows of.
async fn struck_under_load(settings: SolaceSettings, times: usize, strike: impl AsyncFn(&Bench)) {
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let book = Arc::clone(&acknowledged);
    let message = move |published: &Published| {
        let word = honest(published);
        if matches!(word, Word::Acknowledge) {
            book.lock().unwrap().insert(published.content.topic.rsplit('/').next().unwrap().parse::<u32>().unwrap());
        }
        word
    };
    let script = Script { message: Box::new(message), ..Script::default() };
    let bench = Bench::at(&Place::arbiter("publisher"), script, settings);
    let _watchdog = Watchdog::start(&bench.root, QUICK_WATCHDOG, |text| panic!("nobody expects {text}"));
    bench.up().await;
    let stop = Mutex::new(false);

    let load = join_all((0..20).map(|till| publish_until(&stop, &bench, till)));
    let striker = async {
        for _ in 0..times {
            let before = bench.broker.count();
            until("sales flow", || bench.broker.count() > before + 200).await;
            strike(&bench).await;
        }
        let before = bench.broker.count();
        until("sales flow again", || bench.broker.count() > before + 200).await;
        *stop.lock().unwrap() = true;
    };
    let (answered, ()) = tokio::join!(load, striker);

    let answered: Vec<u32> = answered.into_iter().flatten().collect();
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(answered.iter().all(|number| acknowledged.contains(number)), "a success that the broker does not know of");
    assert!(answered.len() > 100 * times, "{} answers", answered.len());
    assert!(bench.broker.logins().len() > times);
    until("all sessions but one are closed", || bench.broker.open() == 1).await;
}

async fn inject(bench: &Bench, fault: Fault) {
    let outcome = bench.root.inject("root.publisher", fault).unwrap().outcome(WITHIN, WITHIN).await;
    assert!(matches!(outcome, Outcome::Recovered(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_publisher_that_panics_under_load_loses_no_success_and_leaks_no_session() {
    locally(struck_under_load(quick(), 10, async |bench| inject(bench, Fault::PanicAfter).await)).await;
}

#[tokio::test]
async fn a_publisher_that_hangs_under_load_loses_no_success_and_leaks_no_session() {
    locally(struck_under_load(quick(), 3, async |bench| inject(bench, Fault::Hang).await)).await;
}

#[tokio::test]
async fn connections_that_are_cut_at_random_moments_under_load_lose_no_success() {
    let random = Mutex::new(fastrand::Rng::with_seed(4));
    let cut = async |bench: &Bench| {
        let pause = random.lock().unwrap().u64(0..5_000);
        sleep(Duration::from_micros(pause)).await;
        bench.broker.cut();
    };
    let settings = SolaceSettings { backoff_min: Duration::from_millis(1), ..quick() };
    locally(struck_under_load(settings, 50, cut)).await;
}

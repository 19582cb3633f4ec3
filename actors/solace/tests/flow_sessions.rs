//! How a flow comes by its session, loses it, changes it and gives it back, on a scripted broker.
//! In real time, because the library works on threads of its own: tests wait for what must come, never for how long.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::time::Duration;

use support::bench::{LEG, bench, bench_at};
use support::server::Heard;
use support::{WITHIN, locally, until};
use tillstream_messages::LegState;
use tillstream_smf::Response;
use tillstream_supervision::{Fault, Place, Watchdog, WatchdogSettings};
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn what_a_blocked_thread_holds_is_free_as_soon_as_the_thread_is_replaced() {
    locally(async {
        let bench = bench_at(&Place::arbiter("flow"), 1000, |server| server.put(0..5, 0)).await;
        let settings = WatchdogSettings {
            every: Duration::from_millis(20),
            blocked_after: Duration::from_millis(300),
            max_zombies: 5,
            ..WatchdogSettings::default()
        };
        let watchdog = Watchdog::start(&bench.root, settings, |_| {});
        bench.delivered(5).await;

        // Longer than anything here waits: nothing comes from the thread itself.
        drop(bench.root.inject("root.flow", Fault::Block(WITHIN * 2)).unwrap());

        bench.delivered(10).await;
        assert_eq!((bench.seen.numbers()[5..].to_vec(), bench.seen.epochs()), (vec![0, 1, 2, 3, 4], vec![1, 2]));
        assert_eq!(watchdog.liveness().zombies(), 1);
        bench.acknowledge(5..10);
        until("all are gone", || bench.server.left().is_empty()).await;
        bench.up().await;
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_told_and_made_again_and_everything_comes_again() {
    locally(async {
        let bench = bench(1000, |server| server.put(0..5, 0)).await;
        bench.delivered(5).await;

        bench.server.rule(|rules| rules.login = Some(Response::SERVICE_UNAVAILABLE));
        bench.server.cut();
        until("the consumer is told", || bench.lost().len() == 1).await;
        assert!(bench.lost()[0].contains("the connection to the broker is lost"), "{:?}", bench.lost());
        bench.down("queue `q` is not bound: the login failed").await;

        bench.server.rule(|rules| rules.login = None);
        bench.delivered(10).await;
        assert_eq!((bench.seen.numbers()[5..].to_vec(), bench.seen.epochs()), (vec![0, 1, 2, 3, 4], vec![1, 2]));
        assert_eq!(bench.lost().len(), 1);
        bench.up().await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_login_is_tried_until_it_is_allowed() {
    locally(async {
        let bench = bench(10, |server| server.rule(|rules| rules.password = Some("second".to_owned()))).await;
        bench.down("the login failed").await;
        bench.down("Unauthorized").await;
        bench.down("compare the broker's user with secret path `message-broker/creds/aggregation-service`").await;

        bench.server.rule(|rules| rules.password = Some("first".to_owned()));

        bench.up().await;
        assert!(bench.lost().is_empty(), "a consumer that never had a binding loses none");
    })
    .await;
}

#[tokio::test]
async fn every_refusal_to_bind_says_what_to_do_and_is_tried_until_it_is_gone() {
    locally(async {
        for (refusal, advice) in [
            (Response::UNKNOWN_QUEUE, "create it with its subscriptions"),
            (Response::QUEUE_NOT_FOUND, "create it with its subscriptions"),
            (Response::PERMISSION_NOT_ALLOWED, "make it the queue's owner or permit `consume` to all"),
            (Response::FORBIDDEN, "make it the queue's owner or permit `consume` to all"),
            (Response::QUEUE_SHUTDOWN, "enable its outgoing side"),
            (Response::TOO_MANY_CLIENTS_ON_QUEUE, "raise the queue's maximum bind count"),
            (Response::SERVICE_UNAVAILABLE, "Service Unavailable"),
        ] {
            let bench = bench(10, |server| server.rule(|rules| rules.bind = Some(refusal))).await;
            bench.down("queue `q` is not bound").await;
            bench.down(advice).await;

            bench.server.rule(|rules| rules.bind = None);

            bench.up().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_does_not_answer_is_given_up_and_tried_again() {
    locally(async {
        let bench = bench(10, |server| server.rule(|rules| rules.deaf_to_logins = true)).await;
        bench.down("queue `q` is not bound").await;

        bench.server.rule(|rules| (rules.deaf_to_logins, rules.deaf_to_binds) = (false, true));
        until("it binds", || bench.server.count(|heard| *heard == Heard::Bind) >= 2).await;
        assert!(matches!(bench.health.get(LEG), LegState::Down(_)));

        bench.server.rule(|rules| rules.deaf_to_binds = false);
        bench.up().await;
    })
    .await;
}

#[tokio::test]
async fn a_queue_that_the_broker_unbinds_is_lost_and_bound_again() {
    locally(async {
        let bench = bench(10, |server| server.put(0..3, 0)).await;
        bench.delivered(3).await;
        let reasons = [
            (Response::QUEUE_SHUTDOWN, "enable its outgoing side"),
            (Response::QUEUE_NOT_FOUND, "create it with its subscriptions"),
            (Response::SERVICE_UNAVAILABLE, "the broker unbound it"),
        ];
        for (round, (reason, advice)) in reasons.into_iter().enumerate() {
            bench.server.unbind(&reason);

            bench.delivered(6 + 3 * round).await;
            assert!(bench.lost()[round].contains(advice), "{:?}", bench.lost());
            assert_eq!((bench.lost().len(), bench.seen.epochs().len()), (round + 1, round + 2));
        }
    })
    .await;
}

#[tokio::test]
async fn new_credentials_are_used_by_a_session_that_stands_by_before_the_old_one_goes() {
    locally(async {
        let bench = bench(10, |server| server.put(0..3, 0)).await;
        bench.delivered(3).await;
        bench.server.rule(|rules| rules.password = Some("second".to_owned()));
        bench.acknowledge(0..1);

        bench.change_password("second");

        until("the others come again", || {
            assert_eq!(bench.health.get(LEG), LegState::Up, "the leg stands all the time");
            bench.seen.numbers().len() == 5
        })
        .await;
        assert_eq!((bench.seen.numbers()[3..].to_vec(), bench.seen.epochs()), (vec![1, 2], vec![1, 2]));
        assert!(bench.lost().is_empty(), "{:?}", bench.lost());
        assert_eq!(bench.health.get(LEG), LegState::Up);
        let heard = bench.server.heard();
        let at = |what: &dyn Fn(&&Heard) -> bool| heard.iter().rposition(|one| what(&one)).unwrap();
        assert!(at(&|one| **one == Heard::Bind) < at(&|one| **one == Heard::Unbind), "{heard:?}");
        let names: Vec<&String> =
            heard.iter().filter_map(|one| if let Heard::Login(_, name) = one { Some(name) } else { None }).collect();
        assert!(names.len() == 2 && names[0] != names[1], "{names:?}");
    })
    .await;
}

#[tokio::test]
async fn wrong_new_credentials_cost_nothing_and_are_tried_until_they_are_right() {
    locally(async {
        let bench = bench(10, |server| server.rule(|rules| rules.password = Some("first".to_owned()))).await;
        bench.up().await;
        bench.change_password("second");
        sleep(Duration::from_millis(500)).await;
        bench.server.put(0..3, 0);
        bench.delivered(3).await;
        assert_eq!((bench.health.get(LEG), bench.seen.epochs()), (LegState::Up, vec![1]));

        bench.server.rule(|rules| rules.password = Some("second".to_owned()));

        until("bound with the new ones", || bench.seen.epochs() == [1, 2]).await;
        assert!(bench.lost().is_empty(), "{:?}", bench.lost());
    })
    .await;
}

#[tokio::test]
async fn on_a_queue_with_room_for_one_consumer_the_old_session_goes_first() {
    locally(async {
        let bench = bench(10, |server| server.rule(|rules| rules.max_binds = 1)).await;
        bench.up().await;

        bench.change_password("second");

        until("bound with the new ones", || bench.seen.epochs() == [1, 2]).await;
        assert!(bench.lost().is_empty(), "{:?}", bench.lost());
        bench.up().await;
    })
    .await;
}

#[tokio::test]
async fn a_flow_that_is_shut_down_acknowledges_what_is_due_and_unbinds_first() {
    locally(async {
        let bench = bench(1000, |server| server.put(0..100, 0)).await;
        bench.delivered(100).await;
        bench.acknowledge(0..60);

        assert!(timeout(WITHIN, bench.root.shutdown()).await.is_ok(), "it never stops");

        let heard = bench.server.heard();
        let settled = heard.iter().take_while(|one| **one != Heard::Unbind);
        assert_eq!(settled.filter(|one| matches!(one, Heard::Settled(..))).count(), 60, "{heard:?}");
        assert_eq!(heard.iter().filter(|one| **one == Heard::Unbind).count(), 1);
        assert_eq!(bench.server.left(), (60..100).collect::<Vec<_>>());
    })
    .await;
}

//! Who is let in, under which name, and how long a connection lasts without a word.
//! Guaranteed messages are another file's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tillstream_listener::{Account, ListenerSettings, Rights};
use tillstream_smf::{AnswerBody, AuthScheme, KeepAlive, Login, Reply, RequestBody, Response, Update};
use tillstream_supervision::Place;

use crate::bench::{Bench, until, users};
use crate::client::{Client, login};
use crate::in_tree;

#[test]
fn a_known_user_is_let_in_and_told_what_the_listener_can_do() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::connect(bench.address, "till").await;
        client.send(RequestBody::Login(login("till", "all", "secret"))).await;

        let answer = client.answer().await;

        assert_eq!(answer.response, Response::OK);
        let AnswerBody::Login(welcome) = answer.body else { panic!("not the answer to a login") };
        assert_eq!(welcome.client_name.as_deref(), Some("till"));
        assert!(welcome.p2p_topic.unwrap().starts_with("#P2P/"));
        assert_eq!(welcome.capabilities.unwrap().max_guaranteed, Some(crate::bench::MAX_MESSAGE as u32));
    });
}

#[test]
fn an_unknown_user_a_wrong_password_and_another_way_to_log_in_get_the_same_answer_and_the_end() {
    in_tree(async {
        let bench = Bench::new();
        let by_certificate =
            Login { auth_scheme: Some(AuthScheme::ClientCertificate), ..login("till", "all", "secret") };
        for refused in [login("till", "nobody", "secret"), login("till", "all", "wrong"), by_certificate] {
            let mut client = Client::connect(bench.address, "till").await;
            assert_eq!(client.ask_login(refused).await, Response::UNAUTHORIZED);
            client.closed().await;
        }
    });
}

#[test]
fn a_changed_password_holds_for_the_next_login_and_ends_no_connection() {
    in_tree(async {
        let bench = Bench::new();
        let mut early = Client::login(bench.address, "early").await;
        bench.accounts.replace(with_password("changed"));

        let mut late = Client::connect(bench.address, "late").await;
        assert_eq!(late.ask_login(login("late", "all", "secret")).await, Response::UNAUTHORIZED);
        let mut late = Client::connect(bench.address, "late").await;
        assert_eq!(late.ask_login(login("late", "all", "changed")).await, Response::OK);
        early.nothing_else().await;
    });
}

#[test]
fn a_changed_passwords_predecessor_holds_for_its_overlap() {
    in_tree(async {
        let bench = Bench::new();
        bench.accounts.rotate(with_password("changed"), Duration::from_secs(3600));
        for password in ["secret", "changed"] {
            let mut client = Client::connect(bench.address, password).await;
            assert_eq!(client.ask_login(login(password, "all", password)).await, Response::OK);
        }
        bench.accounts.rotate(BTreeMap::new(), Duration::from_secs(3600));
        let mut client = Client::connect(bench.address, "removed").await;
        assert_eq!(client.ask_login(login("removed", "all", "secret")).await, Response::UNAUTHORIZED);
    });
}

#[test]
fn whose_user_is_removed_or_has_other_rights_now_is_disconnected_and_nobody_else() {
    in_tree(async {
        let bench = Bench::new();
        let mut removed = Client::login(bench.address, "removed").await;
        let mut changed = Client::connect(bench.address, "changed").await;
        assert_eq!(changed.ask_login(login("changed", "some", "secret")).await, Response::OK);
        let mut other = Client::connect(bench.address, "other").await;
        assert_eq!(other.ask_login(login("other", "none", "secret")).await, Response::OK);
        removed.bind("q", 1).await.unwrap();
        let mut users = users();
        users.remove("all");
        users.get_mut("some").unwrap().rights = Rights::default();
        bench.accounts.rotate(users, Duration::from_secs(3600));

        // Without a word from either: an idle client must not go on receiving.
        removed.closed().await;
        changed.closed().await;
        other.nothing_else().await;
        assert_eq!(changed_again(&bench).await.bind("other", 1).await.unwrap_err(), Response::PERMISSION_NOT_ALLOWED);
    });
}

async fn changed_again(bench: &Bench) -> Client {
    let mut client = Client::connect(bench.address, "again").await;
    assert_eq!(client.ask_login(login("again", "some", "secret")).await, Response::OK);
    client
}

#[test]
fn who_guesses_is_asked_to_come_later_even_when_right_and_no_other_user_is() {
    in_tree(async {
        let bench = Bench::new();
        for user in ["all", "nobody"] {
            for guess in 0..10 {
                assert_eq!(try_login(&bench, user, &format!("guess {guess}")).await, Response::UNAUTHORIZED, "{user}");
            }
            for password in ["guess", "secret"] {
                assert_eq!(try_login(&bench, user, password).await, Response::SERVICE_UNAVAILABLE, "{user}");
            }
        }
        assert_eq!(try_login(&bench, "some", "secret").await, Response::OK);
    });
}

#[test]
fn the_answer_to_an_invented_user_does_not_tell_whether_the_one_before_it_exists() {
    in_tree(async {
        for user in ["all", "nobody"] {
            let bench = Bench::new();
            for number in 0..99 {
                assert_eq!(try_login(&bench, &format!("invented {number}"), "x").await, Response::UNAUTHORIZED);
            }
            assert_eq!(try_login(&bench, user, "guess").await, Response::UNAUTHORIZED, "{user}");
            assert_eq!(try_login(&bench, "one more", "x").await, Response::SERVICE_UNAVAILABLE, "after {user}");
            assert_eq!(try_login(&bench, "all", "secret").await, Response::OK);
        }
    });
}

#[test]
fn a_client_with_an_old_password_is_told_so_each_time_and_locks_nobody_out() {
    in_tree(async {
        let bench = Bench::new();
        for _ in 0..30 {
            assert_eq!(try_login(&bench, "all", "old").await, Response::UNAUTHORIZED);
        }
        assert_eq!(try_login(&bench, "all", "secret").await, Response::OK);
    });
}

#[test]
fn nobody_is_let_in_while_the_users_are_closed() {
    in_tree(async {
        let bench = Bench::new();
        let is_closed = Arc::new(AtomicBool::new(true));
        let known = Arc::clone(&is_closed);
        bench.accounts.fail_closed_when(move || known.load(Ordering::Relaxed));
        assert_eq!(try_login(&bench, "all", "secret").await, Response::SERVICE_UNAVAILABLE);
        is_closed.store(false, Ordering::Relaxed);
        assert_eq!(try_login(&bench, "all", "secret").await, Response::OK);
    });
}

async fn try_login(bench: &Bench, user: &str, password: &str) -> Response {
    let mut client = Client::connect(bench.address, user).await;
    client.ask_login(login(&format!("{user} {password}"), user, password)).await
}

fn with_password(password: &str) -> BTreeMap<String, Account> {
    let mut users = users();
    users.get_mut("all").unwrap().password = password.into();
    users
}

#[test]
fn two_clients_cannot_have_one_name_and_a_name_is_free_again_when_its_client_has_gone() {
    in_tree(async {
        let bench = Bench::new();
        let first = Client::login(bench.address, "till").await;
        let mut second = Client::connect(bench.address, "till").await;
        assert_eq!(second.ask_login(login("till", "all", "secret")).await, Response::CLIENT_NAME_IN_USE);

        // At once: the listener may learn of the end after the new login.
        drop(first);
        Client::login(bench.address, "till").await;
    });
}

#[test]
fn a_client_takes_another_name_unless_somebody_has_it() {
    in_tree(async {
        let bench = Bench::new();
        let mut first = Client::login(bench.address, "first").await;
        let _second = Client::login(bench.address, "second").await;
        for (name, expected) in [("second", Response::CLIENT_NAME_IN_USE), ("third", Response::OK)] {
            first.send(RequestBody::Update(Update { client_name: Some(name.to_owned()), description: None })).await;
            let answer = first.answer().await;
            assert_eq!((answer.response, answer.body), (expected, AnswerBody::Update));
        }
        Client::login(bench.address, "first").await;
    });
}

#[test]
fn a_name_that_is_too_long_or_would_forge_a_line_of_the_log_is_refused() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "client").await;
        for name in ["x".repeat(161), "till\nERROR all sales are lost".to_owned(), "till\u{1b}[2J".to_owned()] {
            let mut stranger = Client::connect(bench.address, "stranger").await;
            assert_eq!(stranger.ask_login(login(&name, "all", "secret")).await, Response::FORBIDDEN, "{name:?}");
            client.send(RequestBody::Update(Update { client_name: Some(name), description: None })).await;
            assert_eq!(client.answer().await.response, Response::FORBIDDEN);
        }
    });
}

#[test]
fn a_message_vpn_that_is_not_the_one_is_refused() {
    in_tree(async {
        let settings = ListenerSettings { message_vpn: Some("shop".to_owned()), ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        let mut client = Client::connect(bench.address, "till").await;
        assert_eq!(client.ask_login(login("till", "all", "secret")).await, Response::MESSAGE_VPN_NOT_ALLOWED);
    });
}

#[test]
fn a_client_over_the_limit_of_connections_is_told_so() {
    in_tree(async {
        let settings = ListenerSettings { max_connections: 2, ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        let _first = Client::login(bench.address, "first").await;
        let second = Client::login(bench.address, "second").await;
        let mut third = Client::connect(bench.address, "third").await;
        assert_eq!(third.ask_login(login("third", "all", "secret")).await, Response::TOO_MANY_CLIENTS);

        drop((second, third));
        until("the listener has room again", || bench.broker.trouble().is_none()).await;
        loop {
            let mut again = Client::connect(bench.address, "again").await;
            if again.ask_login(login("again", "all", "secret")).await == Response::OK {
                break;
            }
        }
    });
}

#[test]
fn strangers_who_say_nothing_make_way_for_clients() {
    in_tree(async {
        let settings = ListenerSettings {
            max_connections: 2,
            login_within: Duration::from_secs(3600),
            ..ListenerSettings::default()
        };
        let bench = Bench::with(settings, &Place::here());
        let mut early = Client::login(bench.address, "early").await;
        let mut strangers = Vec::new();
        for number in 0..20 {
            strangers.push(Client::connect(bench.address, &format!("stranger {number}")).await);
        }

        Client::login(bench.address, "late").await;

        for stranger in &mut strangers[..16] {
            stranger.closed().await;
        }
        early.nothing_else().await;
    });
}

#[test]
fn a_stranger_who_says_nothing_or_the_wrong_thing_is_sent_away() {
    in_tree(async {
        let settings = ListenerSettings { login_within: Duration::from_millis(50), ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        let mut silent = Client::connect(bench.address, "silent").await;
        silent.closed().await;
        let mut rude = Client::connect(bench.address, "rude").await;
        rude.send(RequestBody::KeepAlive(KeepAlive::V2)).await;
        rude.closed().await;
        let mut web = Client::connect(bench.address, "web").await;
        let _ = web.send_bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        web.closed().await;
        let mut large = Client::connect(bench.address, "large").await;
        let _ = large.send_bytes(&[3, 0x8d, 0, 0xff, 0, 0, 0, 12, 0xff, 0xff, 0xff, 0xff]).await;
        large.closed().await;
    });
}

#[test]
fn signs_of_life_are_answered_and_given_and_a_client_without_any_is_gone() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::connect(bench.address, "till").await;
        let quick = Login { keep_alive_seconds: Some(1), ..login("till", "all", "secret") };
        assert_eq!(client.ask_login(quick).await, Response::OK);

        client.send(RequestBody::KeepAlive(KeepAlive::V2)).await;
        assert_eq!(client.any_reply().await, Some(Reply::KeepAlive(KeepAlive::V2)));
        // Unasked, because there is nothing else to say.
        assert_eq!(client.any_reply().await, Some(Reply::KeepAlive(KeepAlive::V2)));
        client.closed().await;
    });
}

//! The end of the process as tills and orchestrators see it, and what it leaves behind in its output.
//! Ends without warning are in `crash`.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::{Sale, Setup, TestApp, eventually, pause, sum_of};

#[tokio::test]
async fn d36_sigterm_under_load_ends_with_0_and_every_200_is_there_afterwards() {
    let mut app = TestApp::start().await;
    let sales: Vec<Sale> =
        (0..300).map(|number| Sale::new(&format!("STORE_{}", number % 10 + 1), 1 + number)).collect();
    let posts = async { join_all(sales.iter().map(|sale| app.try_post(sale))).await };
    let term = async {
        pause(Duration::from_millis(30)).await;
        app.sigterm();
    };

    let (answers, ()) = futures_util::future::join(posts, term).await;
    let status = app.ends().await;
    app.start_again().await;

    assert!(status.success(), "{status}");
    let answered =
        |answer: &Result<crate::support::Answer, String>| answer.as_ref().is_ok_and(|answer| answer.status == 200);
    let unanswered: Vec<&Sale> =
        sales.iter().zip(&answers).filter(|(_, answer)| !answered(answer)).map(|(sale, _)| sale).collect();
    assert!(unanswered.len() < sales.len(), "the drain came before the first answer");
    // A till that has its 200 never sends that sale again, so only the others may make up for anything.
    join_all(unanswered.iter().map(|sale| app.accept(sale))).await;
    let windows = app.windows_when_final(300).await;
    assert_eq!(sum_of(&windows).0, sales.iter().map(|sale| sale.cents).sum::<i64>());
    app.ledger_balances().await;
}

#[tokio::test]
async fn readiness_turns_503_before_the_listener_closes() {
    let mut app = TestApp::start().await;
    app.sigterm();

    eventually("readiness to say 503", Duration::from_secs(10), async || {
        let answer = app.get("/health/ready", "").await;
        if answer.status == 503 { Ok(()) } else { Err(answer.text) }
    })
    .await;

    assert!(app.ends().await.success());
}

#[tokio::test]
async fn a_request_in_hand_is_answered_before_the_end() {
    let mut app = TestApp::start().await;
    let sale = Sale::new("STORE_1", 100);
    let body = sale.body();
    let (start, rest) = body.split_at(100);
    let pieces = in_two_pieces(start.to_owned(), rest.to_owned());
    let request = app.request("POST", "/api/v1/pos/validate_transaction", "pos-service");
    let request = request.header("content-type", "application/json").body(reqwest::Body::wrap_stream(pieces));
    let slow = app.send(request);
    let term = async {
        pause(Duration::from_millis(500)).await;
        app.sigterm();
    };

    let (answer, ()) = futures_util::future::join(slow, term).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(app.ends().await.success());
}

#[tokio::test]
async fn no_password_appears_in_output_or_metrics() {
    let mut app =
        Setup::new().setting("log.filter", "trace").roles("validation,aggregation,reporting,pos").launch().await;
    app.becomes_ready().await;
    app.accept(&Sale::new("STORE_1", 100)).await;
    app.post("not json").await;
    let wrong = app.request("GET", "/api/v1/ledger", "").basic_auth("admin", Some("guessed-password"));
    app.send(wrong).await;
    let metrics = app.get("/metrics", "").await.text;
    let actors = app.get("/api/v1/actors", "admin").await.text;
    let passwords = app.users().passwords();
    assert!(app.stop().await.success());

    let everything = format!("{}\n{metrics}\n{actors}", app.printed());

    assert!(passwords.len() >= 4, "a tree with few passwords proves nothing");
    for password in passwords.iter().map(String::as_str).chain(["guessed-password"]) {
        assert!(!everything.contains(password), "a password was printed");
    }
}

/// The second half follows a second after the first.
fn in_two_pieces(start: String, rest: String) -> impl futures_util::Stream<Item = Result<String, std::io::Error>> {
    futures_util::stream::unfold(vec![rest, start], |mut left| async move {
        let piece = left.pop()?;
        if left.is_empty() {
            pause(Duration::from_secs(1)).await;
        }
        Some((Ok(piece), left))
    })
}

//! The HTTP port behind TLS: who gets through the handshake, and certificates that are exchanged under load.
//! Looks at handshakes from outside; what a certificate is worth as a user stands in the tests of access.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Authority, Load, Pair, Sale, Setup, TestApp, Trust, eventually};

/// Anything here that takes longer is stuck.
const WITHIN: Duration = Duration::from_secs(60);

const GET: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// One exchange on a connection that stays open.
pub async fn exchange(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> Result<String, String> {
    let exchange = async {
        stream.write_all(GET).await?;
        stream.flush().await?;
        let mut answer = String::new();
        // The body of this answer is JSON without a line's end, and `threads` is its last check.
        while !answer.ends_with("}}") {
            let mut part = [0; 4_096];
            let length = stream.read(&mut part).await?;
            if length == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            answer.push_str(&String::from_utf8_lossy(&part[..length]));
        }
        Ok(answer)
    };
    let answer = timeout(WITHIN, exchange).await.expect("stuck: no answer on an open connection");
    answer.map_err(|error: std::io::Error| error.to_string())
}

/// Whether a client like this gets an answer; over TLS 1.3 it hears of a refusal only when it reads.
async fn gets_in(app: &TestApp, trust: &Trust) -> Result<(), String> {
    let mut stream = app.handshake(trust, &[]).await.map_err(|error| error.to_string())?;
    exchange(&mut stream).await.map(drop)
}

async fn shows_another(app: &TestApp, trust: &Trust, pair: &Pair) {
    eventually("the new certificate to be shown", WITHIN, async || {
        if app.shows(trust).await == pair.certificate() { Ok(()) } else { Err("the old one is shown".to_owned()) }
    })
    .await;
}

/// A connection on which many requests can be under way.
async fn over_http_2(app: &TestApp, trust: &Trust) -> SendRequest<Bytes> {
    let stream = app.handshake(trust, &[b"h2"]).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    // Its end is seen by whoever sends or waits.
    tokio::spawn(connection);
    requests
}

fn sale_of_nobody(app: &TestApp, method: &str, path: &str) -> Request<()> {
    let url = format!("https://localhost:{}{path}", app.port());
    Request::builder().method(method).uri(url).header("content-type", "application/json").body(()).unwrap()
}

/// Sends the next bytes of a body as slowly as a network does; to such a client a stream that is reset has failed.
async fn send_part(body: &mut SendStream<Bytes>, length: usize) -> Result<(), String> {
    let mut left = length;
    while left > 0 {
        body.reserve_capacity(left);
        let granted = poll_fn(|context| body.poll_capacity(context)).await;
        let granted = granted.ok_or("it was reset while it sent")?.map_err(|error| error.to_string())?;
        body.send_data(Bytes::from(vec![b'a'; granted]), false).map_err(|error| error.to_string())?;
        left -= granted;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}

/// The answer to a request with 200 KB of body, if every byte of it could be sent.
async fn upload(requests: &mut SendRequest<Bytes>, request: Request<()>) -> Result<u16, String> {
    let (answer, mut body) = requests.send_request(request, false).map_err(|error| error.to_string())?;
    for _ in 0..20 {
        send_part(&mut body, 10_000).await?;
    }
    body.send_data(Bytes::new(), true).map_err(|error| error.to_string())?;
    answered(answer).await
}

/// A reset behind the answer is no matter here.
async fn answered(answer: impl Future<Output = Result<Response<RecvStream>, h2::Error>>) -> Result<u16, String> {
    let answer = timeout(WITHIN, answer).await.expect("stuck: no answer to a refused request");
    answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
}

const SALES: &str = "/api/v1/pos/validate_transaction";

#[tokio::test]
async fn a_refused_body_over_http_2_is_read_before_its_answer() {
    let authority = Authority::new();
    let mut app = Setup::new().over_tls("on", &authority).start().await;
    let mut requests = over_http_2(&app, &authority.believed(None)).await;

    let mut failed = Vec::new();
    for _ in 0..100 {
        failed.extend(upload(&mut requests, sale_of_nobody(&app, "POST", SALES)).await.err());
    }
    assert_eq!(failed, Vec::<String>::new());

    for (method, path, status) in [("POST", SALES, 401), ("POST", "/nowhere", 404), ("PATCH", SALES, 405)] {
        assert_eq!(upload(&mut requests, sale_of_nobody(&app, method, path)).await, Ok(status), "{method} {path}");
    }
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn a_refusal_over_http_2_does_not_wait_for_a_body_that_is_not_there_or_too_long() {
    let authority = Authority::new();
    let setup = Setup::new().over_tls("on", &authority).setting("http.body_timeout", "1h");
    let mut app = setup.setting("http.max_body", "100000").start().await;
    let mut requests = over_http_2(&app, &authority.believed(None)).await;

    let (answer, _) = requests.send_request(sale_of_nobody(&app, "POST", SALES), true).unwrap();
    assert_eq!(answered(answer).await, Ok(401));

    let mut announced = sale_of_nobody(&app, "POST", SALES);
    announced.headers_mut().insert("content-length", 1_000_000.into());
    let (answer, _body) = requests.send_request(announced, false).unwrap();
    assert_eq!(answered(answer).await, Ok(401));

    let (answer, mut body) = requests.send_request(sale_of_nobody(&app, "POST", SALES), false).unwrap();
    // The end of it meets a stream that is over.
    let sending = async { while send_part(&mut body, 10_000).await.is_ok() {} };
    assert!(timeout(WITHIN, sending).await.is_ok(), "stuck: a body without an end is read for ever");
    assert_eq!(answered(answer).await, Ok(401));
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn a_refusal_over_http_2_waits_no_longer_for_a_body_than_a_body_may_take() {
    let authority = Authority::new();
    let mut app = Setup::new().over_tls("on", &authority).setting("http.body_timeout", "1s").start().await;
    let mut requests = over_http_2(&app, &authority.believed(None)).await;

    let (answer, mut body) = requests.send_request(sale_of_nobody(&app, "POST", SALES), false).unwrap();
    send_part(&mut body, 10_000).await.unwrap();

    assert_eq!(answered(answer).await, Ok(401));
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn an_encrypted_port_answers_over_http_1_and_2_and_not_in_plain_text() {
    let authority = Authority::new();
    let mut app = Setup::new().over_tls("on", &authority).start().await;
    let trust = authority.believed(None);

    let mut plain = TcpStream::connect(("127.0.0.1", app.port())).await.unwrap();
    let answer = exchange(&mut plain).await;
    assert!(!answer.is_ok_and(|text| text.starts_with("HTTP")));

    let mut stream = app.handshake(&trust, &[b"http/1.1"]).await.unwrap();
    assert!(exchange(&mut stream).await.unwrap().starts_with("HTTP/1.1 200"));

    let stream = app.handshake(&trust, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(format!("https://localhost:{}/api/v1/health", app.port())).body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    connection.abort();

    let health = app.get("/api/v1/health", "").await.json();
    assert_eq!(health["checks"]["certificate"], "up");
    assert!(app.metric("tls_certificate_expires_seconds", "").await > 0.0);
    app.prints(|printed| printed.contains(&format!("https://127.0.0.1:{}/metrics", app.port()))).await;
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn where_both_sides_show_certificates_nobody_else_gets_past_the_handshake() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let mut app = Setup::new().over_tls("mutual", &authority).start().await;
    let (ours, theirs) = (authority.issue(&["till-7"]), foreign.issue(&["till-7"]));

    assert_eq!(gets_in(&app, &authority.believed(Some(&ours))).await, Ok(()));
    assert!(gets_in(&app, &authority.believed(None)).await.is_err());
    assert!(gets_in(&app, &authority.believed(Some(&theirs))).await.is_err());

    // A password is needed all the same.
    assert_eq!(app.get("/api/v1/ledger", "").await.status, 401);
    assert_eq!(app.get("/api/v1/ledger", "admin").await.status, 200);
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn a_certificate_exchanged_under_load_costs_no_sale_and_no_connection() {
    let authority = Authority::new();
    let mut app = Setup::new().over_tls("on", &authority).start().await;
    let trust = authority.believed(None);
    let load = Load::start(&app, 4);
    let mut old = app.handshake(&trust, &[]).await.unwrap();
    exchange(&mut old).await.unwrap();

    for _ in 0..5 {
        let pair = authority.server();
        app.setup().show(&pair);
        shows_another(&app, &trust, &pair).await;
        exchange(&mut old).await.expect("the connection from before");
    }

    let account = load.stop().await;
    assert_eq!(account.refusals, Vec::<String>::new());
    assert!(account.sales.len() > 20, "{} sales are no load", account.sales.len());
    assert!(app.metric("tls_reloads_total", "exchanged").await >= 5.0);
    app.counts(&account).await;
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_leaves_the_old_one_and_health_says_why() {
    let authority = Authority::new();
    let mut app = Setup::new().over_tls("on", &authority).start().await;
    let trust = authority.believed(None);
    let before = app.shows(&trust).await;
    let good = authority.server();

    app.setup().file("tls.crt", &good.chain[..good.chain.len() / 2]);
    eventually("the file to be refused", WITHIN, async || {
        let health = app.get("/api/v1/health", "").await;
        let said = health.json()["checks"]["certificate"].as_str().unwrap().to_owned();
        if health.status == 200 && said.contains("tls.crt") { Ok(()) } else { Err(health.text) }
    })
    .await;
    assert!(app.metric("tls_reloads_total", "refused").await >= 1.0);
    assert_eq!(app.shows(&trust).await, before);

    app.setup().show(&good);
    shows_another(&app, &trust, &good).await;
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn clients_that_never_finish_their_handshake_hold_nobody_up_and_are_cut_off() {
    let authority = Authority::new();
    let setup = Setup::new().over_tls("on", &authority).setting("tls.handshake_timeout", "3s");
    let mut app = setup.start().await;
    let mut idle = Vec::new();
    for _ in 0..500 {
        idle.push(TcpStream::connect(("127.0.0.1", app.port())).await.unwrap());
    }

    let answer = app.accept(&Sale::new("STORE_1", 100)).await;
    assert_eq!(answer.status, 200);

    for stream in &mut idle {
        let end = timeout(WITHIN, stream.read(&mut [0; 1])).await;
        assert!(matches!(end.expect("stuck: a silent client is not cut off"), Ok(0) | Err(_)));
    }
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn the_tills_of_the_process_need_no_word_about_whom_to_believe() {
    let authority = Authority::new();
    // Nobody on this machine knows the authority, and the tills have no certificate of their own.
    let setup = Setup::new().over_tls("mutual", &authority).roles("validation,aggregation,reporting,pos");
    let mut app = setup.start().await;
    let trust = authority.believed(Some(&authority.issue(&["tester"])));
    for _ in 0..2 {
        let before = app.metric("pos_transactions_total", "accepted").await;
        eventually("the tills to sell", WITHIN, async || {
            let sold = app.metric("pos_transactions_total", "accepted").await;
            if sold > before + 20.0 { Ok(()) } else { Err(format!("{sold} sales")) }
        })
        .await;
        let pair = authority.server();
        app.setup().show(&pair);
        shows_another(&app, &trust, &pair).await;
    }
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn a_replay_needs_to_know_whom_to_believe() {
    let authority = Authority::new();
    let mut app = Setup::new().over_tls("mutual", &authority).start().await;
    let setup = app.setup().clone();
    let (user, password) = app.users().named("pos-service");
    let recording = setup.file("sales.ndjson", &format!("{}\n", Sale::new("STORE_1", 100).body()));
    let password = setup.file("password", &password);
    let (ca, own) = (setup.file("ca.pem", &authority.pem), authority.issue(&["replay"]).whole());
    let (own, url) = (setup.file("own.pem", &own), app.url());
    let path = |file: &std::path::PathBuf| file.to_str().unwrap().to_owned();
    let (recording, password) = (path(&recording), path(&password));
    let base = ["replay", &recording, "--url", &url, "--user", &user, "--password-file", &password];
    let trust = ["--ca-cert".to_owned(), path(&ca), "--client-cert".to_owned(), path(&own)];
    let trusting: Vec<_> = base.into_iter().chain(trust.iter().map(String::as_str)).collect();
    let output = setup.command(&trusting).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(app.windows_when_final(1).await.len(), 1);
    assert!(app.stop().await.success());
}

#[test]
fn a_start_with_a_pair_that_does_not_fit_says_which_files() {
    let authority = Authority::new();
    let setup = Setup::new().over_tls("on", &authority);
    setup.file("tls.key", &authority.server().key);
    let output = setup.command(&["run", "--listen", "127.0.0.1:0"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("tls.crt") && text.contains("tls.key") && text.contains("do not belong together"), "{text}");

    let check = setup.command(&["check"]).output().unwrap();
    let lines = String::from_utf8_lossy(&check.stdout);
    assert!(lines.contains("failed  certificate"), "{lines}");
}

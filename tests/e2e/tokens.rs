//! Tills with bearer tokens of a real issuer, the identity provider of OpenBao, which signs, rotates and withdraws keys.
//! What a forged or broken token looks like is tested where tokens are judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tillstream_bao::Bao;

use crate::command_line::run;
use crate::support::{Account, Answer, SALES, Sale, Setup, TestApp, eventually, pause, try_send};

const SOON: Duration = Duration::from_secs(60);
/// A till fetches its next token after so many sales.
const SALES_PER_TOKEN: usize = 10;
const BREATH: Duration = Duration::from_millis(10);

/// A server whose identity provider issues tokens for us.
struct Issuer {
    bao: Arc<Bao>,
    /// Of somebody who may fetch tokens and nothing else.
    login: String,
}

impl Issuer {
    /// One key, `shop`, and a kind of token per right: `sell`, `read`, none, and one for somebody else.
    async fn start() -> Self {
        let issuer = Self { bao: Arc::new(Bao::dev().await), login: String::new() };
        issuer.put("sys/auth/userpass", json!({"type": "userpass"})).await;
        let policy = r#"path "identity/oidc/token/*" { capabilities = ["read"] }"#;
        issuer.put("sys/policies/acl/tokens", json!({ "policy": policy })).await;
        issuer.put("auth/userpass/users/till", json!({"password": "pw", "policies": "tokens"})).await;
        issuer.put("identity/oidc/config", json!({"issuer": issuer.bao.address()})).await;
        issuer.makes_key("shop", "ES256").await;
        issuer.makes_role("sell", "shop", "tillstream", "openid tillstream:sell").await;
        issuer.makes_role("read", "shop", "tillstream", "tillstream:read").await;
        issuer.makes_role("nothing", "shop", "tillstream", "openid").await;
        issuer.makes_role("elsewhere", "shop", "another-service", "tillstream:sell").await;
        let pass = Some(json!({"password": "pw"}));
        let (status, answer) = issuer.bao.call_as("", Method::POST, "auth/userpass/login/till", pass).await;
        assert_eq!(status, 200, "cannot log in: {answer}");
        Self { login: answer["auth"]["client_token"].as_str().unwrap().to_owned(), ..issuer }
    }

    async fn put(&self, path: &str, body: Value) {
        let (status, answer) = self.bao.post(path, body).await;
        assert!((200..300).contains(&status), "`{path}` answered {status}: {answer}");
    }

    async fn delete(&self, path: &str) {
        let (status, answer) = self.bao.delete(path).await;
        assert!((200..300).contains(&status), "`{path}` answered {status}: {answer}");
    }

    async fn makes_key(&self, name: &str, algorithm: &str) {
        let lives = json!({"rotation_period": "1h", "verification_ttl": "1h", "allowed_client_ids": ["*"]});
        let mut key = lives;
        key["algorithm"] = algorithm.into();
        self.put(&format!("identity/oidc/key/{name}"), key).await;
    }

    async fn makes_role(&self, name: &str, key: &str, audience: &str, scope: &str) {
        let template = json!({ "scope": scope }).to_string();
        let role = json!({"key": key, "ttl": "10m", "client_id": audience, "template": template});
        self.put(&format!("identity/oidc/role/{name}"), role).await;
    }

    async fn token(&self, role: &str) -> String {
        let path = format!("identity/oidc/token/{role}");
        let (status, answer) = self.bao.call_as(&self.login, Method::GET, &path, None).await;
        assert_eq!(status, 200, "no token for `{role}`: {answer}");
        answer["data"]["token"].as_str().unwrap().to_owned()
    }

    /// The service that believes it; keys are read at most once a second.
    fn believed_by(&self, setup: Setup) -> Setup {
        let file = setup.home().join("tokens.toml");
        let issuer = format!("{}/v1/identity/oidc", self.bao.address());
        let section = format!(
            "[tokens]\nissuer = \"{issuer}\"\naudience = \"tillstream\"\nrefetch = \"1s\"\nrefresh = \"2s\"\n\
             [tokens.scopes]\n\"tillstream:sell\" = \"pos\"\n\"tillstream:read\" = \"reporting\"\n"
        );
        std::fs::write(&file, section).unwrap();
        setup.argument("--config").argument(file.to_str().unwrap())
    }
}

async fn call(app: &TestApp, method: &str, path: &str, token: &str, body: String) -> Answer {
    let request = app.request(method, path, "").bearer_auth(token);
    app.send(request.header("content-type", "application/json").body(body)).await
}

async fn sell(app: &TestApp, token: &str) -> Answer {
    call(app, "POST", SALES, token, Sale::new("STORE_1", 258).body()).await
}

/// Until the service has the issuer's keys.
async fn knows_the_keys(app: &TestApp, token: &str) {
    eventually("the service to judge tokens", SOON, async || match sell(app, token).await {
        answer if answer.status == 503 => Err(answer.text),
        _ => Ok(()),
    })
    .await;
}

/// Until this token gets this answer.
async fn comes_to(app: &TestApp, token: &str, status: u16) {
    eventually(&format!("a token to get {status}"), SOON, async || match sell(app, token).await {
        answer if answer.status == status => Ok(()),
        answer => Err(format!("{}: {}", answer.status, answer.text)),
    })
    .await;
}

#[tokio::test]
async fn a_token_gets_the_rights_of_its_scope_and_no_others() {
    let issuer = Issuer::start().await;
    let app = issuer.believed_by(Setup::new()).start().await;
    let [till, reader, nobody] =
        [issuer.token("sell").await, issuer.token("read").await, issuer.token("nothing").await];
    knows_the_keys(&app, &till).await;
    let sold = sell(&app, &till).await;
    assert_eq!(sold.status, 200, "{}", sold.text);
    let turnover = "/api/v1/pos/turnover";
    assert_eq!(call(&app, "GET", turnover, &reader, String::new()).await.status, 200);
    assert_eq!(sell(&app, &reader).await.status, 403);
    assert_eq!(call(&app, "GET", turnover, &till, String::new()).await.status, 403);
    for path in ["/api/v1/ledger", "/api/v1/actors", "/api/v1/secrets"] {
        assert_eq!(call(&app, "GET", path, &till, String::new()).await.status, 403, "{path}");
    }
    assert_eq!(sell(&app, &nobody).await.status, 403);
}

#[tokio::test]
async fn a_token_for_somebody_else_and_a_forged_one_are_nobody() {
    let issuer = Issuer::start().await;
    let app = issuer.believed_by(Setup::new()).start().await;
    let (till, elsewhere) = (issuer.token("sell").await, issuer.token("elsewhere").await);
    knows_the_keys(&app, &till).await;
    let (message, signature) = till.rsplit_once('.').unwrap();
    let reversed: String = signature.chars().rev().collect();
    for token in [elsewhere, format!("{message}."), format!("{message}.{reversed}"), "x".repeat(9_000), "x".to_owned()]
    {
        let answer = sell(&app, &token).await;
        assert_eq!(answer.status, 401, "{}", answer.text);
        let challenges = answer.headers.get_all("www-authenticate");
        let is_told = challenges.iter().any(|one| one.to_str().unwrap().contains(r#"error="invalid_token""#));
        assert!(is_told, "{:?}", answer.headers);
    }
    assert!(!app.printed().contains(signature) && !app.printed().contains(message), "a token is in the log");
}

#[tokio::test]
async fn where_no_issuer_is_named_a_token_is_nobody_and_a_password_is_somebody() {
    let issuer = Issuer::start().await;
    let app = TestApp::start().await;
    let answer = sell(&app, &issuer.token("sell").await).await;
    assert_eq!((answer.status, answer.header("www-authenticate").starts_with("Basic")), (401, true));
    assert_eq!(app.post(Sale::new("STORE_1", 258).body()).await.status, 200);
}

#[tokio::test]
async fn keys_that_are_rotated_while_tills_sell_cost_no_sale() {
    let issuer = Arc::new(Issuer::start().await);
    let app = issuer.believed_by(Setup::new()).start().await;
    knows_the_keys(&app, &issuer.token("nothing").await).await;
    let is_over = Arc::<AtomicBool>::default();
    let start = |store| tokio::spawn(till(app.url(), Arc::clone(&issuer), store, Arc::clone(&is_over)));
    let tills: Vec<_> = (1..=4).map(start).collect();
    for _ in 0..6 {
        // Twice at once: the second key was not published before, so that a token may come before its key.
        for _ in 0..2 {
            issuer.put("identity/oidc/key/shop/rotate", json!({"verification_ttl": "1m"})).await;
        }
        pause(Duration::from_millis(1_500)).await;
    }
    is_over.store(true, SeqCst);
    let (mut sales, mut refusals) = (Vec::new(), Vec::new());
    for till in tills {
        let account = till.await.expect("a till that did not panic");
        sales.extend(account.sales);
        refusals.extend(account.refusals);
    }
    assert!(sales.len() > 100, "only {} sales", sales.len());
    eprintln!("{} sales over 12 rotations, {} times told to come again", sales.len(), refusals.len());
    app.counts(&Account { sales, refusals }).await;
}

#[tokio::test]
async fn a_token_of_a_key_that_was_withdrawn_is_nobody() {
    let issuer = Issuer::start().await;
    issuer.makes_key("other", "EdDSA").await;
    issuer.makes_role("other", "other", "tillstream", "tillstream:sell").await;
    let app = issuer.believed_by(Setup::new()).start().await;
    let (withdrawn, kept) = (issuer.token("sell").await, issuer.token("other").await);
    knows_the_keys(&app, &withdrawn).await;
    assert_eq!((sell(&app, &withdrawn).await.status, sell(&app, &kept).await.status), (200, 200));
    for role in ["sell", "read", "nothing", "elsewhere"] {
        issuer.delete(&format!("identity/oidc/role/{role}")).await;
    }
    issuer.delete("identity/oidc/key/shop").await;
    comes_to(&app, &withdrawn, 401).await;
    assert_eq!(sell(&app, &kept).await.status, 200);
}

#[tokio::test]
async fn while_the_issuer_is_gone_known_keys_are_good_and_passwords_never_need_it() {
    let issuer = Issuer::start().await;
    let mut app = issuer.believed_by(Setup::new()).start().await;
    let token = issuer.token("sell").await;
    knows_the_keys(&app, &token).await;
    issuer.bao.kill();
    pause(Duration::from_secs(4)).await;
    assert_eq!(sell(&app, &token).await.status, 200);
    let checks = app.get("/api/v1/health", "").await.json()["checks"].clone();
    assert!(checks["tokens"].as_str().unwrap().starts_with("up, but"), "{checks}");

    app.sigkill();
    app.start_again().await;
    let answer = sell(&app, &token).await;
    assert_eq!((answer.status, answer.header("retry-after").is_empty()), (503, false), "{}", answer.text);
    assert_eq!(app.post(Sale::new("STORE_1", 258).body()).await.status, 200);
    let health = app.get("/api/v1/health", "").await;
    assert_eq!(health.status, 200, "an issuer is not needed: {}", health.text);
    assert!(!health.json()["checks"]["tokens"].as_str().unwrap().starts_with("up"));
}

#[tokio::test]
async fn check_reads_the_issuers_keys_and_names_an_issuer_that_does_not_answer() {
    let (issuer, setup) = (Issuer::start().await, Setup::new());
    let (_, nobody) = run(&setup, &["check"]).await;
    assert!(!nobody.contains("token keys"), "no issuer is named: {nobody}");
    let config = setup.home().join("tokens.toml");
    let setup = issuer.believed_by(setup);
    let check = ["check", "--config", config.to_str().unwrap()];
    let line_of = |text: &str| text.lines().find(|line| line.contains("token keys")).map(str::to_owned);

    let (code, text) = run(&setup, &check).await;
    assert_eq!(code, 0, "{text}");
    let line = line_of(&text).expect("a line for the keys");
    assert!(line.starts_with("ok ") && line.contains("can be used"), "{line}");

    let (code, text) = run(&setup.clone().setting("tokens.algorithms", "[\"RS512\"]"), &check).await;
    let line = line_of(&text).expect("a line for the keys");
    assert!(code == 1 && line.starts_with("failed") && line.contains("tokens.algorithms"), "{text}");

    issuer.bao.kill();
    let (code, text) = run(&setup, &check).await;
    let line = line_of(&text).expect("a line for the keys");
    assert!(code == 1 && line.starts_with("failed") && line.contains(issuer.bao.address()), "{text}");
}

/// Sells with tokens until it is told to stop; a 503 is tried again, anything else but 200 ends the test.
async fn till(url: String, issuer: Arc<Issuer>, store: usize, is_over: Arc<AtomicBool>) -> Account {
    let http = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
    let (mut account, mut token) = (Account { sales: Vec::new(), refusals: Vec::new() }, issuer.token("sell").await);
    while !is_over.load(SeqCst) {
        if account.sales.len() % SALES_PER_TOKEN == SALES_PER_TOKEN - 1 {
            token = issuer.token("sell").await;
        }
        let sale = Sale::new(&format!("STORE_{store}"), 100);
        let deadline = Instant::now() + SOON;
        loop {
            let request = http.post(format!("{url}{SALES}")).bearer_auth(&token).body(sale.body());
            match try_send(request.header("content-type", "application/json")).await {
                Ok(answer) if answer.status == 200 => break,
                Ok(answer) if answer.status == 503 => account.refusals.push(answer.text),
                other => panic!("a good sale came to {other:?}"),
            }
            assert!(Instant::now() < deadline, "stuck: no 200 for a sale, last {:?}", account.refusals.last());
            pause(BREATH).await;
        }
        account.sales.push(sale);
        pause(BREATH).await;
    }
    account
}

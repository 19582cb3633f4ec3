//! A known text in the place of every secret, a service at the loudest log level that is made to fail in every way, and a search
//! for those texts in everything that it lets out: its log, its answers, its files (those of the audit too), its spans, the command lines of its
//! processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::json;

use crate::command_line::run;
use crate::support::{
    Answer, Authority, Badge, Collector, SALES, SHORT_LIVED, Sale, Setup, TestApp, TestVault, eventually, pause,
};

const SOON: Duration = Duration::from_secs(60);

/// Long enough for whatever was caused to be logged.
const A_MOMENT: Duration = Duration::from_millis(1_500);

/// Routes whose answers could show something.
const ROUTES: [&str; 13] = [
    "/metrics",
    "/health/live",
    "/health/ready",
    "/health/startup",
    "/api/v1/health",
    "/api/v1/secrets",
    "/api/v1/actors",
    "/api/v1/faults",
    "/api/v1/ledger",
    "/api/v1/log",
    "/api/v1/pos/turnover",
    "/api/v1/pos/openapi.json",
    "/nowhere",
];

/// Texts that must not be found, with what each of them is.
#[derive(Default)]
struct Canaries(Vec<(String, String)>);

/// What the service has let out, with where it was found.
#[derive(Default)]
struct Evidence(Vec<(String, String)>);

impl Canaries {
    /// A secret as it is, and in the codings in which it travels.
    fn add(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 12, "`{what}` is too short to be told from chance");
        self.0.push((what.to_owned(), secret.to_owned()));
        self.0.push((format!("{what}, in base64"), STANDARD.encode(secret)));
        self.0.push((format!("{what}, in base64 for URLs"), URL_SAFE_NO_PAD.encode(secret)));
    }

    /// A password, also as the header of whoever logs in with it.
    fn add_login(&mut self, path: &str, user: &str, password: &str) {
        self.add(&format!("password of {path}"), password);
        let header = STANDARD.encode(format!("{user}:{password}"));
        self.0.push((format!("login of {path}"), header.trim_end_matches('=').to_owned()));
    }

    /// Every password of a tree.
    fn add_tree(&mut self, tree: &toml::Table) {
        for (path, keys) in tree {
            let text = |key: &str| keys.get(key).and_then(|value| value.as_str());
            if let Some((user, password)) = text("username").zip(text("password")) {
                self.add_login(path, user, password);
            }
        }
    }

    /// The inner lines of a key: the first and the last are the same in many.
    fn add_key(&mut self, what: &str, pem: &str) {
        let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        self.0.push((what.to_owned(), (*lines.get(1).unwrap_or(&lines[0])).to_owned()));
    }

    /// Insists that none of them is anywhere.
    fn are_nowhere_in(&self, evidence: &Evidence) {
        assert!(self.0.len() > 10 && evidence.0.len() > 20, "a search for little in little proves nothing");
        let mut leaks = Vec::new();
        for (place, text) in &evidence.0 {
            let found = self.0.iter().filter_map(|(what, canary)| Some((what, text.find(canary)?)));
            leaks.extend(found.map(|(what, at)| format!("{what} in {place}, behind …{}", before(text, at))));
        }
        assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    }
}

/// The last words before a place.
fn before(text: &str, at: usize) -> &str {
    &text[text.floor_char_boundary(at.saturating_sub(200))..at]
}

impl Evidence {
    /// Files and processes hold more than text; secrets are text.
    fn add(&mut self, place: &str, bytes: impl AsRef<[u8]>) {
        self.0.push((place.to_owned(), String::from_utf8_lossy(bytes.as_ref()).into_owned()));
    }

    fn answered(&mut self, place: &str, answer: &Answer) {
        self.add(&format!("the headers of {place}"), format!("{:?}", answer.headers));
        self.add(&format!("the answer of {place}"), &answer.text);
    }

    /// All files below a folder but the secrets themselves.
    fn files(&mut self, folder: &Path, but: &[PathBuf]) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => self.files(&path, but),
                kind if kind.is_file() && !but.contains(&path) => {
                    // A store may have removed a file meanwhile.
                    self.add(&path.display().to_string(), fs::read(&path).unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    /// What anybody on the machine sees of a process and its children.
    fn process(&mut self, pid: i32) {
        for name in ["cmdline", "environ", "comm"] {
            let file = format!("/proc/{pid}/{name}");
            self.add(&file, fs::read(&file).unwrap());
        }
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().filter_map(Result::ok);
        let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let children: Vec<i32> = lists.flat_map(|list| pids(&list)).collect();
        children.into_iter().for_each(|child| self.process(child));
    }
}

fn pids(list: &str) -> Vec<i32> {
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Good logins, bad ones and worse ones; every password that is tried is a canary too.
async fn log_in_in_every_way(app: &TestApp, canaries: &mut Canaries, evidence: &mut Evidence) {
    log_what_may_not_be_logged(app, evidence).await;
    for user in ["pos-service", "aggregation-service", "reporting-service", "admin"] {
        for route in ROUTES {
            evidence.answered(&format!("{route} as {user}"), &app.get(route, user).await);
        }
        let (name, right) = app.users().named(user);
        let wrong = format!("{right}-and-a-slip-of-the-finger");
        canaries.add_login(&format!("a slip of {user}"), &name, &wrong);
        for (name, password) in [(name.as_str(), wrong.as_str()), ("a-stranger", right.as_str()), (right.as_str(), "x")]
        {
            let request = app.as_shown(&Badge::new(name, password), Method::GET, "/api/v1/ledger");
            let answer = app.send(request).await;
            assert_eq!(answer.status, 401, "{}", answer.text);
            evidence.answered("a refused login", &answer);
        }
    }
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0aGUtY2FuYXJ5LW9mLXRoZS10b2tlbiJ9.c2lnbmVkLWJ5LWEtY2FuYXJ5";
    canaries.0.push(("a bearer token".to_owned(), token.to_owned()));
    for value in [format!("Bearer {token}"), format!("Basic {token}"), token.to_owned()] {
        let answer = app.send(app.request("GET", "/api/v1/ledger", "").header("authorization", value)).await;
        assert_eq!(answer.status, 401, "{}", answer.text);
        evidence.answered("a refused token", &answer);
    }
}

/// Whoever may set the filter of the log cannot set it to what holds secrets.
async fn log_what_may_not_be_logged(app: &TestApp, evidence: &mut Evidence) {
    let filter = "trace,vaultrs=trace,vaultrs::client=trace,rustify=trace,rustify::endpoint=trace,actix_http=trace";
    let order = app.request("PUT", "/api/v1/log", "admin").json(&json!({"filter": filter}));
    let answer = app.send(order).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    evidence.answered("the filter", &answer);
}

/// Sales, a body that is none with a secret in it, and a refusal of everything.
async fn sell(app: &TestApp, evidence: &mut Evidence) {
    for store in ["STORE_1", "STORE_2"] {
        evidence.answered("a sale", &app.accept(&Sale::new(store, 258)).await);
    }
    for body in ["{", "{}", r#"{"transaction_id": 7}"#] {
        let answer = app.post(body).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        evidence.answered("a bad sale", &answer);
    }
    let badge = Badge::of("reporting-service", app.users());
    let answer = app.send(app.as_shown(&badge, Method::POST, SALES).json(&json!({}))).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    evidence.answered("a forbidden sale", &answer);
}

/// Everything that holds a secret panics while it holds it.
async fn fail(app: &TestApp, evidence: &mut Evidence) {
    let actors = app.actors().await;
    let holders =
        actors.iter().filter(|actor| ["secrets", "users", "publisher", "flow", "tls", "smf"].contains(&&*actor.kind));
    let paths: Vec<String> = holders.map(|actor| actor.path.clone()).collect();
    assert!(paths.len() >= 3, "{paths:?}");
    for path in paths {
        for kind in ["panic", "panic_after"] {
            // Without waiting for its end: some of them get no message that they could panic at.
            let request = app.request("POST", &format!("/api/v1/actors/{path}/fault"), "admin");
            let order = request.header("prefer", "respond-async").json(&json!({"kind": kind}));
            evidence.answered("a fault", &app.send(order).await);
            pause(Duration::from_millis(100)).await;
        }
    }
}

async fn refresh(app: &TestApp, evidence: &mut Evidence) {
    let answer = app.send(app.request("POST", "/api/v1/secrets/refresh", "admin")).await;
    assert!([200, 503].contains(&answer.status), "{}", answer.text);
    evidence.answered("a refresh", &answer);
}

/// The health document, once it says that something is wrong with the secrets.
async fn until_troubled(app: &TestApp, evidence: &mut Evidence) {
    let answer = eventually("health to say what is wrong with the secrets", SOON, async || {
        let answer = app.get("/api/v1/health", "").await;
        if answer.text.contains("up, but") { Ok(answer) } else { Err(answer.text) }
    });
    evidence.answered("health in trouble", &answer.await);
    evidence.answered("the overview in trouble", &app.get("/api/v1/secrets", "admin").await);
}

/// All that a service, its broker and `check` leave behind.
async fn collect(app: &mut TestApp, evidence: &mut Evidence, but: &[PathBuf], collector: &Collector) {
    for route in ROUTES {
        evidence.answered(route, &app.get(route, "admin").await);
    }
    let setup = app.setup().clone();
    let data = setup.data_dir().to_str().unwrap().to_owned();
    let (_, text) = run(&setup, &["check", "--data-dir", &data]).await;
    evidence.add("check", text);
    evidence.process(app.pid());
    assert!(app.stop_with_its_broker().await.success());
    let printed = app.printed();
    assert!(printed.contains("TRACE") || printed.contains("DEBUG"), "this is not the loudest level");
    evidence.add("the log", printed);
    let spans = collector.all();
    assert!(spans.len() > 10, "a search in few spans proves nothing: {spans:?}");
    evidence.add("the spans", format!("{spans:?}"));
    evidence.files(setup.home(), but);
    let is_recorded = |file: &str| evidence.0.iter().any(|(place, text)| place.ends_with(file) && !text.is_empty());
    assert!(is_recorded("audit/access.jsonl") && is_recorded("audit/sales.jsonl"), "no audit files were searched");
}

fn loud(setup: Setup, collector: &Collector) -> Setup {
    let setup = collector.watches(setup, "1").setting("log.filter", "trace").setting("log.format", "json");
    setup.setting("secrets.refresh", "1s")
}

#[tokio::test]
async fn no_secret_of_a_local_file_is_in_anything_that_the_service_lets_out() {
    let (mut canaries, mut evidence) = (Canaries::default(), Evidence::default());
    let collector = Collector::start().await;
    let mut app = loud(Setup::new(), &collector).start().await;
    let file = app.setup().secrets_file();
    let read = || toml::from_str::<toml::Table>(&fs::read_to_string(&file).unwrap()).unwrap();
    canaries.add_tree(&read());

    log_in_in_every_way(&app, &mut canaries, &mut evidence).await;
    sell(&app, &mut evidence).await;
    let mut tree = read();
    let users: Vec<String> = tree.keys().filter(|path| path.contains("/creds/")).cloned().collect();
    for path in users {
        tree[&path]["password"] = format!("another-canary-{}", uuid::Uuid::new_v4().simple()).into();
    }
    canaries.add_tree(&tree);
    let good = toml::to_string(&tree).unwrap();
    fs::write(&file, &good).unwrap();
    app.knows_its_users();
    let admin = Badge::of("admin", app.users());
    eventually("the service to know the new passwords", SOON, async || {
        if app.is_known(&admin).await { Ok(()) } else { Err("a 401".to_owned()) }
    })
    .await;
    fail(&app, &mut evidence).await;
    app.becomes_ready().await;
    for broken in
        [good.replace(" = \"", " = "), good.replace("password = \"", "password = \"\\q"), good.replace('[', "")]
    {
        fs::write(&file, broken).unwrap();
        until_troubled(&app, &mut evidence).await;
        refresh(&app, &mut evidence).await;
    }
    fs::write(&file, &good).unwrap();
    refresh(&app, &mut evidence).await;
    log_in_in_every_way(&app, &mut canaries, &mut evidence).await;
    pause(A_MOMENT).await;
    collect(&mut app, &mut evidence, &[file], &collector).await;

    canaries.are_nowhere_in(&evidence);
}

#[tokio::test]
async fn no_secret_of_a_server_and_nothing_to_log_in_there_with_is_in_anything_that_the_service_lets_out() {
    let (mut canaries, mut evidence) = (Canaries::default(), Evidence::default());
    let vault = TestVault::start(SHORT_LIVED).await;
    let collector = Collector::start().await;
    let mut app = loud(Setup::new().on_vault(&vault), &collector).start().await;
    canaries.add_tree(&vault.tree());
    let [role_id, secret_id] = vault.ids();
    canaries.add("role id", &role_id);
    canaries.add("secret id", &secret_id);

    log_in_in_every_way(&app, &mut canaries, &mut evidence).await;
    sell(&app, &mut evidence).await;
    vault.rotate("validation-service/creds/pos-service").await;
    vault.rotate("message-broker/creds/validation-service").await;
    canaries.add_tree(&vault.tree());
    refresh(&app, &mut evidence).await;
    app.knows_its_users();
    fail(&app, &mut evidence).await;
    app.becomes_ready().await;
    let malformed = "a-canary-in-the-wrong-place";
    canaries.add("a malformed value", malformed);
    for keys in [json!({"password": [malformed]}), json!({ malformed: "x" }), json!({"password": {"x": malformed}})] {
        vault.write_as("validation-service/creds/reporting-service", keys).await;
        refresh(&app, &mut evidence).await;
        until_troubled(&app, &mut evidence).await;
    }
    vault.write("validation-service/creds/reporting-service").await;
    vault.revoke_tokens().await;
    refresh(&app, &mut evidence).await;
    vault.server().seal().await;
    refresh(&app, &mut evidence).await;
    until_troubled(&app, &mut evidence).await;
    vault.server().unseal().await;
    refresh(&app, &mut evidence).await;
    // More than one token's longest life.
    pause(Duration::from_secs(7)).await;
    log_in_in_every_way(&app, &mut canaries, &mut evidence).await;
    let printed = app.printed();
    collect(&mut app, &mut evidence, &[], &collector).await;

    canaries.are_nowhere_in(&evidence);
    assert_eq!(tokens_in(&printed), Vec::<&str>::new(), "a token of the server");
}

/// Words that look like a token of the server: `s.` or `hvs.` and at least twenty letters and digits.
fn tokens_in(text: &str) -> Vec<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.');
    words.filter(|word| is_token(word)).collect()
}

fn is_token(word: &str) -> bool {
    let rest = word.strip_prefix("s.").or_else(|| word.strip_prefix("hvs."));
    rest.is_some_and(|rest| rest.len() >= 20 && rest.chars().all(|letter| letter.is_ascii_alphanumeric()))
}

#[test]
fn a_token_is_told_from_other_words() {
    assert_eq!(
        tokens_in(r#"{"token":"s.abcdefghijABCDEFGHIJ1234"} tillstream.rs.a hvs.short"#),
        ["s.abcdefghijABCDEFGHIJ1234"]
    );
}

#[tokio::test]
async fn no_private_key_is_in_anything_that_the_service_lets_out() {
    let (mut canaries, mut evidence) = (Canaries::default(), Evidence::default());
    let authority = Authority::new();
    let collector = Collector::start().await;
    let mut app = loud(Setup::new().over_tls("on", &authority), &collector).setting("tls.reload", "1s").start().await;
    let key = app.setup().home().join("tls.key");
    let text = fs::read_to_string(&key).unwrap();
    canaries.add_key("the key of the server", &text);
    canaries.add_tree(&toml::from_str(&fs::read_to_string(app.setup().secrets_file()).unwrap()).unwrap());

    sell(&app, &mut evidence).await;
    for broken in [text.replace('\n', ""), text[..text.len() / 2].to_owned(), text.replace("KEY", "CERTIFICATE")] {
        fs::write(&key, broken).unwrap();
        refresh(&app, &mut evidence).await;
        pause(A_MOMENT).await;
    }
    fs::write(&key, &text).unwrap();
    fail(&app, &mut evidence).await;
    app.becomes_ready().await;
    let files = [app.setup().secrets_file(), key];
    collect(&mut app, &mut evidence, &files, &collector).await;

    canaries.are_nowhere_in(&evidence);
}

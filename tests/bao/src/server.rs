//! The server as a test sees it: its life, and the calls of an operator with the root token.
//! Retries nothing: a call answers with what the server said.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::process::Process;
use crate::{certificates, configuration};

/// A busy machine needs its time.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How to start one.
#[derive(Debug, Clone, Default)]
pub struct BaoOptions {
    /// Its data survives [`Bao::kill`]; an election makes initialising take a second longer.
    pub on_disk: bool,
    /// It speaks HTTPS with a certificate that only [`Bao::ca_file`] vouches for.
    pub tls: bool,
    /// Further lines of its listener.
    pub listener: String,
    /// Further lines of its configuration, such as an audit device; `{directory}` stands for the server's own.
    pub more: String,
}

/// A real server on the loopback address. Many tests may use one at once; it ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct Bao {
    address: String,
    http: Client,
    configuration: PathBuf,
    process: Mutex<Process>,
    keys: Mutex<Keys>,
    directory: TempDir,
}

/// What an operator holds of it.
#[derive(Debug, Clone, Default)]
struct Keys {
    root_token: String,
    unseal: Vec<String>,
}

// === impl Bao ===

impl Bao {
    /// In memory, initialised and unsealed: ready within half a second, and empty after [`Bao::kill`].
    pub async fn dev() -> Self {
        let bao = Self::start(BaoOptions::default()).await;
        bao.initialise().await;
        bao
    }

    /// On disk, neither initialised nor unsealed.
    pub async fn raft() -> Self {
        Self::start(BaoOptions { on_disk: true, ..BaoOptions::default() }).await
    }

    /// On disk, initialised and unsealed.
    pub async fn durable() -> Self {
        let bao = Self::raft().await;
        bao.initialise().await;
        bao
    }

    /// Neither initialised nor unsealed; answers when the server listens.
    pub async fn start(mut options: BaoOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        options.more = options.more.replace("{directory}", &directory.path().display().to_string());
        loop {
            let (configuration, port) = configuration::write(directory.path(), &options);
            let mut process = Process::start(directory.path(), &configuration);
            if let Err(log) = serves(&mut process).await {
                // Somebody took the port between looking and listening.
                assert!(log.contains("address already in use"), "the server ended at once:\n{log}");
                continue;
            }
            let scheme = if options.tls { "https" } else { "http" };
            let authority = options.tls.then(|| directory.path().join(certificates::AUTHORITY));
            return Self {
                address: format!("{scheme}://127.0.0.1:{port}"),
                http: client(authority.as_deref()),
                configuration,
                process: Mutex::new(process),
                keys: Mutex::default(),
                directory,
            };
        }
    }

    /// Where it listens, such as `http://127.0.0.1:20123`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The authority that vouches for it, where it speaks HTTPS.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join(certificates::AUTHORITY)
    }

    /// A directory of its own that is removed with it; tests may put files there.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// All that it has printed in its present life.
    pub fn log(&self) -> String {
        lock(&self.process).log()
    }

    /// Whom [`Bao::call`] speaks for.
    pub fn root_token(&self) -> String {
        lock(&self.keys).root_token.clone()
    }

    /// For a test that has it initialised by somebody else.
    pub fn set_keys(&self, root_token: &str, unseal: &[String]) {
        *lock(&self.keys) = Keys { root_token: root_token.to_owned(), unseal: unseal.to_owned() };
    }

    /// Initialises with one key and unseals.
    pub async fn initialise(&self) {
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let (status, answer) = self.put("sys/init", shares).await;
        assert_eq!(status, 200, "cannot initialise: {answer}");
        let key = answer["keys_base64"][0].as_str().unwrap().to_owned();
        self.set_keys(answer["root_token"].as_str().unwrap(), &[key]);
        self.unseal().await;
    }

    /// Forgets its keys until [`Bao::unseal`].
    pub async fn seal(&self) {
        let (status, answer) = self.put("sys/seal", json!({})).await;
        assert_eq!(status, 204, "cannot seal: {answer}");
    }

    /// Answers when it is active.
    pub async fn unseal(&self) {
        let keys = lock(&self.keys).unseal.clone();
        for key in keys {
            let (status, answer) = self.put("sys/unseal", json!({"key": key})).await;
            assert_eq!(status, 200, "cannot unseal: {answer}");
        }
        let deadline = Instant::now() + PATIENCE;
        while self.health().await != 200 {
            assert!(Instant::now() < deadline, "the unsealed server does not become active:\n{}", self.log());
            sleep(LOOK_AGAIN).await;
        }
    }

    /// As by SIGKILL.
    pub fn kill(&self) {
        lock(&self.process).kill();
    }

    /// Starts it again on the same address, unsealed where its keys are known; [`Bao::kill`] it before.
    pub async fn restart(&self) {
        let mut process = Process::start(self.directory.path(), &self.configuration);
        let served = serves(&mut process).await;
        assert!(served.is_ok(), "the server did not start again:\n{}", process.log());
        *lock(&self.process) = process;
        let is_ours = !lock(&self.keys).unseal.is_empty();
        if is_ours && self.health().await == 503 {
            self.unseal().await;
        }
    }

    /// It takes connections and answers nothing until [`Bao::thaw`].
    pub fn freeze(&self) {
        lock(&self.process).freeze();
    }

    /// Goes on.
    pub fn thaw(&self) {
        lock(&self.process).signal("CONT");
    }

    /// 200 active, 501 uninitialised, 503 sealed.
    pub async fn health(&self) -> u16 {
        self.get("sys/health").await.0
    }

    /// Reads what stands at a path below `/v1`.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    /// Lists what stands below a path.
    pub async fn list(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, &format!("{path}?list=true"), None).await
    }

    /// Posts to a path below `/v1`.
    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Puts to a path below `/v1`.
    pub async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// Deletes what stands at a path below `/v1`.
    pub async fn delete(&self, path: &str) -> (u16, Value) {
        self.call(Method::DELETE, path, None).await
    }

    /// Posts to a path and has the answer wrapped; the token that unwraps it, once.
    pub async fn wrapped(&self, path: &str, body: Value) -> String {
        let request = self.http.post(format!("{}/v1/{path}", self.address)).json(&body);
        let request = request.header("X-Vault-Token", self.root_token()).header("X-Vault-Wrap-TTL", "120");
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["wrap_info"]["token"].as_str().unwrap_or_else(|| panic!("`{path}` was not wrapped: {answer}")).to_owned()
    }

    /// One call with the root token; status and body, `null` where there is none.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let token = self.root_token();
        self.call_as(&token, method, path, body).await
    }

    /// One call with this token; an empty one is not sent.
    pub async fn call_as(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}/v1/{path}", self.address));
        if !token.is_empty() {
            request = request.header("X-Vault-Token", token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap_or_else(|error| panic!("`{path}` was not answered: {error:?}"));
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_default();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

/// Waits until it listens; else what it printed before it ended.
async fn serves(process: &mut Process) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    // Asking the port would not tell it from somebody else who listens there.
    while !process.log().contains("server started!") {
        if process.ended().is_some() {
            return Err(process.log());
        }
        assert!(Instant::now() < deadline, "the server does not start:\n{}", process.log());
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// Connections are not kept: tests that share a server have a runtime each.
fn client(authority: Option<&Path>) -> Client {
    // An error says that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trusted = authority.map(|file| Certificate::from_pem(&std::fs::read(file).unwrap()).unwrap());
    let builder = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(PATIENCE).tls_certs_only(trusted);
    builder.build().unwrap()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

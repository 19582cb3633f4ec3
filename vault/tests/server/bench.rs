//! A real server, a directory for what set-up writes, and an administrator's eyes to see what it did.
//! Asserts nothing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tillstream_bao::{Bao, BaoOptions};
use tillstream_vault_setup::{
    Administration, Delivery, Keys, Kv, Lifetimes, Operator, Outcome, Progress, ServerAddress, SetUp, SetUpError, State,
};

/// What vault/server.hcl says too.
const LISTENER: &str = "disable_unauthed_generate_root_endpoints = false";
const AUDIT: &str = "audit \"file\" \"to-file\" {\n  options = { file_path = \"{directory}/audit.log\" }\n}";

pub struct Bench {
    pub bao: Bao,
    pub home: TempDir,
}

/// All steps of one run, in order.
#[derive(Debug, Default)]
pub struct Account {
    pub found: Vec<State>,
    pub done: Vec<String>,
    pub were_there: Vec<String>,
}

impl Bench {
    /// In memory.
    pub async fn start() -> Self {
        Self::with(BaoOptions::default()).await
    }

    /// Survives a restart, and speaks HTTPS.
    pub async fn on_disk() -> Self {
        Self::with(BaoOptions { on_disk: true, tls: true, ..BaoOptions::default() }).await
    }

    async fn with(options: BaoOptions) -> Self {
        let options = BaoOptions { listener: LISTENER.to_owned(), more: AUDIT.to_owned(), ..options };
        Self { bao: Bao::start(options).await, home: tempfile::tempdir().unwrap() }
    }

    pub fn set_up(&self) -> SetUp {
        SetUp {
            server: self.address(),
            keys: Keys::new(self.path("keys")),
            shares: 3,
            threshold: 2,
            administration: Administration::UnsealKeys,
            audit_file: Some("unused".to_owned()),
            new_mount: Kv::Two,
            approles: self.path("approles"),
            lifetimes: Lifetimes {
                secret_id: Duration::from_secs(3_600),
                token: Duration::from_secs(600),
                token_max: Duration::from_secs(1_200),
            },
            delivery: Delivery::Plain,
            authority_for: None,
        }
    }

    /// Already configured.
    pub async fn configured() -> Self {
        let bench = Self::start().await;
        run(&bench.set_up()).await.unwrap();
        bench
    }

    pub fn address(&self) -> ServerAddress {
        let url = self.bao.address().to_owned();
        let ca_cert = url.starts_with("https").then(|| self.bao.ca_file());
        ServerAddress { url, ca_cert }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub async fn operator(&self) -> Operator {
        Operator::log_in(&self.address(), &self.path("approles")).await.unwrap()
    }

    /// Waits until somebody has opened the server.
    pub async fn opens(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while self.bao.health().await != 200 {
            assert!(tokio::time::Instant::now() < deadline, "stuck: nobody opens the server");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until a file is there.
    pub async fn has(&self, name: &str) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while !self.path(name).is_file() {
            assert!(tokio::time::Instant::now() < deadline, "stuck: nobody writes {name}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Logs in as a role with the files that set-up has written; the answer is the token.
    pub async fn log_in(&self, role: &str) -> String {
        let file = |name: &str| self.file(&format!("approles/{role}/{name}"));
        let order = json!({ "role_id": file("role_id"), "secret_id": file("secret_id") });
        let (status, answer) = self.bao.call_as("", Method::POST, "auth/approle/login", Some(order)).await;
        assert_eq!(status, 200, "{role}: {answer}");
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Makes the test an administrator, with the unseal keys, until it drops the token with [`Bench::leaves`].
    pub async fn looks(&self) {
        let keys: Vec<String> =
            self.file("keys/unseal-keys").lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        let (status, begun) = self.bao.call_as("", Method::PUT, "sys/generate-root/attempt", Some(json!({}))).await;
        assert_eq!(status, 200, "{begun}");
        let mut answer = Value::Null;
        for key in keys.iter().take(2) {
            let part = json!({ "nonce": begun["nonce"], "key": key });
            answer = self.bao.call_as("", Method::PUT, "sys/generate-root/update", Some(part)).await.1;
        }
        let hidden = STANDARD_NO_PAD.decode(answer["encoded_token"].as_str().unwrap().trim_end_matches('=')).unwrap();
        let otp = begun["otp"].as_str().unwrap().bytes();
        let token = hidden.iter().zip(otp).map(|(left, right)| char::from(left ^ right)).collect::<String>();
        self.bao.set_keys(&token, &keys);
    }

    /// The test is nobody again.
    pub async fn leaves(&self) {
        self.bao.post("auth/token/revoke-self", json!({})).await;
    }

    /// All that a run could change, on the server and on disk, in texts that can be compared.
    pub async fn picture(&self) -> BTreeMap<String, String> {
        let mut picture = BTreeMap::new();
        files_of(self.home.path(), &mut picture);
        self.looks().await;
        let mut see = async |path: &str| {
            let (status, answer) = self.bao.get(path).await;
            picture.insert(path.to_owned(), format!("{status} {}", answer["data"]));
            answer["data"]["keys"].as_array().cloned().unwrap_or_default()
        };
        for path in ["sys/mounts", "sys/auth", "sys/audit", "auth/token/accessors?list=true"] {
            see(path).await;
        }
        for (list, place) in [("sys/policies/acl", "sys/policies/acl"), ("auth/approle/role", "auth/approle/role")] {
            for name in see(&format!("{list}?list=true")).await {
                let name = name.as_str().unwrap();
                see(&format!("{place}/{name}")).await;
                see(&format!("{place}/{name}/role-id")).await;
                see(&format!("{place}/{name}/secret-id?list=true")).await;
            }
        }
        for path in tillstream_secrets::tree_paths() {
            see(&format!("kv/metadata/{path}")).await;
            see(&format!("kv/data/{path}")).await;
            see(&format!("kv/{path}")).await;
        }
        for path in ["pki/issuers?list=true", "pki/roles/tillstream"] {
            see(path).await;
        }
        self.leaves().await;
        // The test's own token is another one each time it looks.
        picture.retain(|path, _| !path.starts_with("auth/token"));
        picture
    }
}

/// Runs to the end.
pub async fn run(set_up: &SetUp) -> Result<Account, SetUpError> {
    let mut account = Account::default();
    set_up.run(&mut |progress| account.hear(progress)).await?;
    Ok(account)
}

/// Runs until one more step is done, and then as if killed; whether there was anything left to do.
pub async fn run_one_more_step(set_up: &SetUp) -> bool {
    let mut account = Account::default();
    let mut watch = |progress: &Progress| {
        let _ = account.hear(progress);
        if account.done.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let outcome = set_up.run(&mut watch).await;
    match outcome {
        Err(SetUpError::Stopped) => account.done[0] != "administrator's token revoked",
        other => panic!("stopped before it was killed: {other:?} after {account:?}"),
    }
}

impl Account {
    fn hear(&mut self, progress: &Progress) -> ControlFlow<()> {
        match progress {
            Progress::Found(state) => self.found.push(*state),
            Progress::Step { subject, outcome: Outcome::Done } => self.done.push(subject.clone()),
            Progress::Step { subject, outcome: Outcome::WasThere } => self.were_there.push(subject.clone()),
        }
        ControlFlow::Continue(())
    }
}

/// Content and time of every file below a folder.
fn files_of(folder: &Path, picture: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_of(&path, picture);
            continue;
        }
        let changed = path.metadata().unwrap().modified().unwrap();
        picture.insert(path.display().to_string(), format!("{changed:?} {}", std::fs::read_to_string(&path).unwrap()));
    }
}

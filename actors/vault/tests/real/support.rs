//! A tree in a real Vault with a role that may read it, and the actor that reads it.
//! Holds no assertion of its own but that what a test asked the server for was done.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tillstream_bao::{Bao, BaoOptions};
use tillstream_messages::{HealthBoard, Leg, LegState, ListSecrets, RefreshError, RefreshSecrets};
use tillstream_messages::{SecretsChanged, SecretsOverview, SecretsRefreshed};
use tillstream_secrets::{SecretsHolder, SecretsSettings, missing_keys, tree_paths};
use tillstream_supervision::{ActorSpec, Fault, Handle, Intensity, Place, Port, Strategy, Supervisor, SupervisorSpec};
use tillstream_vault::{VaultSecrets, VaultSettings, VaultWiring};
use tokio::sync::OnceCell;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

pub const POS: &str = "validation-service/creds/pos-service";
pub const WANTED: [&str; 4] =
    ["message-broker/config", "message-broker/creds/*", "otel-collector/config", "validation-service/creds/*"];

/// A busy machine needs its time.
pub const PATIENCE: Duration = Duration::from_secs(60);

const AUDIT: &str = "audit \"file\" \"to-file\" {\n  options = { file_path = \"{directory}/audit.log\" }\n}";

/// Ends with the process.
static SHARED: OnceCell<Bao> = OnceCell::const_new();

/// The server for tests that do it no harm; it writes down who asks for what.
pub async fn shared() -> &'static Bao {
    let start = async || {
        let bao = Bao::start(BaoOptions { more: AUDIT.to_owned(), ..BaoOptions::default() }).await;
        bao.initialise().await;
        bao
    };
    SHARED.get_or_init(start).await
}

/// One tree, one role and one policy, all named after a number.
pub struct House<'a> {
    pub bao: &'a Bao,
    pub number: u32,
    directory: TempDir,
}

impl<'a> House<'a> {
    /// With tokens that nobody has to renew during a test.
    pub async fn on(bao: &'a Bao, kv_version: u8) -> Self {
        Self::with_tokens(bao, kv_version, "1h", "24h").await
    }

    /// With tokens that live for `ttl`, with renewals for `max_ttl`.
    pub async fn with_tokens(bao: &'a Bao, kv_version: u8, ttl: &str, max_ttl: &str) -> Self {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let house = Self { bao, number, directory: tempfile::tempdir().unwrap() };
        let options = json!({"version": kv_version.to_string()});
        house.done(bao.post(&format!("sys/mounts/{}", house.mount()), json!({"type": "kv", "options": options})).await);
        house.done(bao.post(&format!("sys/auth/{}", house.approle()), json!({"type": "approle"})).await);
        house.allow().await;
        let role = json!({"token_policies": [house.policy()], "token_ttl": ttl, "token_max_ttl": max_ttl});
        house.done(bao.post(&house.role(), role).await);
        let role_id = house.done(bao.get(&format!("{}/role-id", house.role())).await);
        house.file("role_id", role_id["data"]["role_id"].as_str().unwrap());
        house.hand_out_secret_id().await;
        for path in tree_paths() {
            house.write_defaults(path, kv_version).await;
        }
        house
    }

    pub fn mount(&self) -> String {
        format!("kv-{}", self.number)
    }

    pub fn approle(&self) -> String {
        format!("approle-{}", self.number)
    }

    pub fn role(&self) -> String {
        format!("auth/{}/role/service", self.approle())
    }

    fn policy(&self) -> String {
        format!("service-{}", self.number)
    }

    /// The policy as it should be.
    pub async fn allow(&self) {
        self.allow_with("").await;
    }

    /// The policy with further rules, which may take something away.
    pub async fn allow_with(&self, more: &str) {
        let text = format!(
            "path \"{}/*\" {{ capabilities = [\"read\", \"list\"] }}\n\
             path \"pki-{}/issue/server\" {{ capabilities = [\"update\"] }}\n{more}",
            self.mount(),
            self.number
        );
        self.done(self.bao.put(&format!("sys/policies/acl/{}", self.policy()), json!({"policy": text})).await);
    }

    pub async fn withdraw_policy(&self) {
        self.done(self.bao.delete(&format!("sys/policies/acl/{}", self.policy())).await);
    }

    pub async fn revoke_tokens(&self) {
        let prefix = format!("sys/leases/revoke-prefix/auth/{}/login", self.approle());
        self.done(self.bao.put(&prefix, json!({})).await);
    }

    pub async fn hand_out_secret_id(&self) {
        let made = self.done(self.bao.post(&format!("{}/secret-id", self.role()), json!({})).await);
        self.file("secret_id", made["data"]["secret_id"].as_str().unwrap());
    }

    /// Puts a token there that unwraps a secret id; answers with it.
    pub async fn hand_out_wrapped(&self) -> String {
        let token = self.bao.wrapped(&format!("{}/secret-id", self.role()), json!({})).await;
        self.file("secret_id", &token);
        token
    }

    pub fn file(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), format!("{text}\n")).unwrap();
    }

    async fn write_defaults(&self, path: &str, kv_version: u8) {
        let keys = missing_keys(path, |_| false).unwrap();
        let values: Map<String, Value> =
            keys.into_iter().map(|(key, value)| (key.to_owned(), value.expose_secret().into())).collect();
        self.put_as(kv_version, path, Value::Object(values)).await;
    }

    /// Writes a path of a mount of version 2.
    pub async fn put(&self, path: &str, values: Value) {
        self.put_as(2, path, values).await;
    }

    pub async fn put_as(&self, kv_version: u8, path: &str, values: Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (below, body) =
                if kv_version == 2 { ("data/", json!({"data": &values})) } else { ("", values.clone()) };
            let answer = self.bao.put(&format!("{}/{below}{path}", self.mount()), body).await;
            // A new mount of version 2 answers 400 until it has upgraded itself.
            if answer.0 != 400 || Instant::now() > deadline {
                self.done(answer);
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Deletes the newest version, as `kv delete` does; it stays listed.
    pub async fn delete(&self, path: &str) {
        self.done(self.bao.delete(&format!("{}/data/{path}", self.mount())).await);
    }

    /// Deletes all of it; it is not listed any more.
    pub async fn destroy(&self, path: &str) {
        self.done(self.bao.delete(&format!("{}/metadata/{path}", self.mount())).await);
    }

    /// A till's user with this password.
    pub async fn rotate(&self, password: &str) {
        self.put(POS, user("pos-service_username", password)).await;
    }

    /// How often somebody logged in as this house's role.
    pub fn logins(&self) -> usize {
        self.asked(&format!("\"path\":\"auth/{}/login\"", self.approle()))
    }

    /// Takes the tree away as a whole.
    pub async fn unmount(&self) {
        self.done(self.bao.delete(&format!("sys/mounts/{}", self.mount())).await);
    }

    /// How many requests the shared server wrote down that have this in their record.
    pub fn asked(&self, what: &str) -> usize {
        let text = fs::read_to_string(self.bao.directory().join("audit.log")).unwrap();
        text.lines().filter(|line| line.contains("\"type\":\"response\"") && line.contains(what)).count()
    }

    pub fn settings(&self) -> VaultSettings {
        VaultSettings {
            address: self.bao.address().to_owned(),
            mount: self.mount(),
            approle_mount: self.approle(),
            role_id_file: self.directory.path().join("role_id"),
            secret_id_file: self.directory.path().join("secret_id"),
            retry_min: Duration::from_millis(50),
            retry_max: Duration::from_millis(400),
            ..VaultSettings::default()
        }
    }

    pub fn wiring(&self, settings: VaultSettings, secrets: SecretsSettings) -> VaultWiring {
        let wanted = WANTED.map(str::to_owned);
        VaultWiring::new(settings, secrets, &wanted, HealthBoard::default()).unwrap()
    }

    fn done(&self, (status, answer): (u16, Value)) -> Value {
        assert!(matches!(status, 200 | 204), "the server answered {status}: {answer}");
        answer
    }
}

pub fn user(name: &str, password: &str) -> Value {
    json!({"username": name, "password": password, "role": "pos"})
}

/// Read again by nobody's order but the test's.
pub fn on_order() -> SecretsSettings {
    SecretsSettings { refresh: Duration::from_secs(3_600), ..SecretsSettings::default() }
}

/// Read again so often.
pub fn every(refresh: Duration) -> SecretsSettings {
    SecretsSettings { refresh, ..SecretsSettings::default() }
}

/// The actor under its supervisor, with one listener.
pub struct Bench {
    pub root: Supervisor,
    pub secrets: Handle<VaultSecrets>,
    pub wiring: VaultWiring,
    pub health: HealthBoard,
    told: Arc<Mutex<Vec<SecretsChanged>>>,
}

impl Bench {
    /// After the first reading, as a process does it.
    pub async fn start(house: &House<'_>, secrets: SecretsSettings) -> Self {
        Self::start_with(house.settings(), secrets).await
    }

    pub async fn start_with(settings: VaultSettings, secrets: SecretsSettings) -> Self {
        let (told, health) = (Arc::<Mutex<Vec<SecretsChanged>>>::default(), HealthBoard::default());
        let heard = Arc::clone(&told);
        let listener = Port::from_fn(move |fact| heard.lock().unwrap().push(fact));
        let holder = SecretsHolder::new("listener", &["validation-service/creds/*"], listener);
        let wanted = WANTED.map(str::to_owned);
        let wiring = VaultWiring::new(settings, secrets, &wanted, health.clone()).unwrap().with_holders(vec![holder]);
        wiring.first_tree().await.unwrap();
        // A thread of its own, so that it can be blocked.
        let place = Place::arbiter("secrets");
        let root = Supervisor::root(patient(), &Place::arbiter("control"));
        let parts = wiring.clone();
        let secrets =
            root.spawn(ActorSpec::new("secrets", "secrets"), &place, move || VaultSecrets::new(parts.clone()));
        let bench = Self { root, secrets: secrets.unwrap(), wiring, health, told };
        bench.refresh().await.unwrap();
        bench
    }

    pub async fn refresh(&self) -> Result<SecretsRefreshed, RefreshError> {
        self.secrets.ask(RefreshSecrets, PATIENCE).await.unwrap()
    }

    pub async fn overview(&self) -> SecretsOverview {
        self.secrets.ask(ListSecrets, PATIENCE).await.unwrap()
    }

    pub fn generation(&self) -> u64 {
        self.root.tree().children[0].generation
    }

    /// Makes it fail, and waits until it is back.
    pub async fn strike(&self, fault: Fault) {
        let before = self.generation();
        drop(self.root.inject("root.secrets", fault).unwrap());
        // It needs a message to panic after.
        drop(self.secrets.ask(ListSecrets, Duration::from_millis(100)).await);
        eventually("the actor to come back", || self.generation() > before).await;
    }

    /// What the process works with.
    pub fn password(&self) -> Option<String> {
        self.wiring.last_good().tree().expose(POS, "password").map(str::to_owned)
    }

    pub fn told(&self) -> Vec<SecretsChanged> {
        self.told.lock().unwrap().clone()
    }

    pub fn is_up(&self) -> bool {
        self.health.get(Leg::Secrets) == LegState::Up
    }

    /// Until the newest fact shows this password.
    pub async fn hears(&self, password: &str) {
        let heard = || self.told().last().and_then(|fact| fact.tree.expose(POS, "password").map(str::to_owned));
        eventually("somebody to be told the new password", || heard().as_deref() == Some(password)).await;
    }
}

/// Restarts as often as it has to.
fn patient() -> SupervisorSpec {
    let intensity = Intensity { max: 1_000, within: Duration::from_secs(1) };
    SupervisorSpec { intensity, ..SupervisorSpec::new("root", Strategy::OneForOne) }
}

pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// On a thread where actors can live; what never comes is noticed, and the test's name says who waits.
pub async fn locally(test: impl Future<Output = ()>) {
    let ended = timeout(3 * PATIENCE, LocalSet::new().run_until(test)).await;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(ended.is_ok(), "{name} waits for something that never comes");
}

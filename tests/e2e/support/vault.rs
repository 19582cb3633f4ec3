//! A real server of secrets with the whole tree in it, and the way in for a service: an AppRole with short-lived tokens.
//! Sets the server up by hand, with the root token: that our own setup does so too is `vault_setup`'s business.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tillstream_bao::{Bao, BaoOptions};
use uuid::Uuid;

/// Everything that the service may read; what its own policies allow is shown elsewhere.
const POLICY: &str = r#"path "kv/*" { capabilities = ["read", "list"] }"#;
/// In addition: to have certificates issued.
const ISSUING: &str = r#"path "pki/issue/tillstream" { capabilities = ["update"] }"#;
/// The same role on all servers, so that nothing has to be told twice.
const ROLE: &str = "tillstream";

/// Life of a token, and the longest life that renewals can give it.
pub const SHORT_LIVED: (&str, &str) = ("2s", "6s");
/// Longer than any test.
pub const LONG_LIVED: (&str, &str) = ("1h", "4h");

/// What both ends know: path, key, value.
pub type SharedTree = Arc<Mutex<toml::Table>>;

/// The server and what it holds.
pub struct TestVault {
    bao: Bao,
    tree: SharedTree,
    folder: TempDir,
}

/// Where a service finds it, and with what it logs in.
#[derive(Debug, Clone)]
pub struct WayIn {
    /// Such as `http://127.0.0.1:20123`.
    pub address: String,
    pub role_id_file: PathBuf,
    pub secret_id_file: PathBuf,
    pub tree: SharedTree,
}

impl TestVault {
    /// A server with the tree and a role whose tokens live so long.
    pub async fn start((ttl, longest): (&str, &str)) -> Self {
        let bao = Bao::start(BaoOptions { on_disk: true, ..BaoOptions::default() }).await;
        bao.initialise().await;
        let tree = Arc::new(Mutex::new(fresh_tree()));
        let vault = Self { bao, tree, folder: TempDir::new().unwrap() };
        vault.put("sys/mounts/kv", json!({"type": "kv", "options": {"version": "1"}})).await;
        vault.put("sys/auth/approle", json!({"type": "approle"})).await;
        vault.allow().await;
        let role = json!({"token_policies": [ROLE], "token_ttl": ttl, "token_max_ttl": longest});
        vault.put(&format!("auth/approle/role/{ROLE}"), role).await;
        vault.write_all().await;
        vault.hand_out_ids().await;
        vault
    }

    /// The server itself: to be sealed, killed, started again.
    pub fn server(&self) -> &Bao {
        &self.bao
    }

    /// For a service.
    pub fn way_in(&self) -> WayIn {
        WayIn {
            address: self.bao.address().to_owned(),
            role_id_file: self.folder.path().join("role_id"),
            secret_id_file: self.folder.path().join("secret_id"),
            tree: Arc::clone(&self.tree),
        }
    }

    /// All that it holds now.
    pub fn tree(&self) -> toml::Table {
        self.tree.lock().unwrap().clone()
    }

    /// Gives the service's role its right to read.
    pub async fn allow(&self) {
        self.put(&format!("sys/policies/acl/{ROLE}"), json!({"policy": POLICY})).await;
    }

    /// The right to have certificates issued besides.
    pub async fn allow_issuing(&self) {
        self.put(&format!("sys/policies/acl/{ROLE}"), json!({"policy": format!("{POLICY}\n{ISSUING}")})).await;
    }

    /// Makes it an authority for servers of this machine; its own certificate in PEM.
    pub async fn becomes_authority(&self) -> String {
        self.put("sys/mounts/pki", json!({"type": "pki"})).await;
        let root = json!({"common_name": "authority of a test", "ttl": "24h"});
        let (status, made) = self.bao.post("pki/root/generate/internal", root).await;
        assert_eq!(status, 200, "{made}");
        let role = json!({"allowed_domains": ["localhost"], "allow_bare_domains": true, "allow_ip_sans": true});
        self.put("pki/roles/tillstream", role).await;
        made["data"]["certificate"].as_str().unwrap().to_owned()
    }

    /// Takes it away, also from tokens that are in use.
    pub async fn forbid(&self) {
        let nothing = r#"path "kv/*" { capabilities = ["deny"] }"#;
        self.put(&format!("sys/policies/acl/{ROLE}"), json!({"policy": nothing})).await;
    }

    /// Ends every token of the service's role at once.
    pub async fn revoke_tokens(&self) {
        self.put("sys/leases/revoke-prefix/auth/approle/login", json!({})).await;
    }

    /// Gives a user another password; answers the new one.
    pub async fn rotate(&self, path: &str) -> String {
        let password = password();
        self.tree.lock().unwrap()[path]["password"] = password.clone().into();
        self.write(path).await;
        password
    }

    /// Writes a path as everybody expects it.
    pub async fn write(&self, path: &str) {
        let keys = serde_json::to_value(&self.tree.lock().unwrap()[path]).unwrap();
        self.write_as(path, keys).await;
    }

    /// Writes anything at a path, which nobody expects.
    pub async fn write_as(&self, path: &str, keys: Value) {
        self.put(&format!("kv/{path}"), keys).await;
    }

    /// Removes a path.
    pub async fn delete(&self, path: &str) {
        let (status, answer) = self.bao.delete(&format!("kv/{path}")).await;
        assert_eq!(status, 204, "{answer}");
    }

    async fn write_all(&self) {
        let paths: Vec<String> = self.tree.lock().unwrap().keys().cloned().collect();
        for path in paths {
            self.write(&path).await;
        }
    }

    async fn hand_out_ids(&self) {
        let (_, role) = self.bao.get(&format!("auth/approle/role/{ROLE}/role-id")).await;
        let (_, secret) = self.bao.post(&format!("auth/approle/role/{ROLE}/secret-id"), json!({})).await;
        let way = self.way_in();
        std::fs::write(way.role_id_file, role["data"]["role_id"].as_str().unwrap()).unwrap();
        std::fs::write(way.secret_id_file, secret["data"]["secret_id"].as_str().unwrap()).unwrap();
    }

    /// The role's own ids, which no log may show.
    pub fn ids(&self) -> [String; 2] {
        let way = self.way_in();
        [way.role_id_file, way.secret_id_file].map(|file| std::fs::read_to_string(file).unwrap())
    }

    async fn put(&self, path: &str, body: Value) {
        let (status, answer) = self.bao.put(path, body).await;
        assert!((200..300).contains(&status), "`{path}`: {status} {answer}");
    }
}

fn password() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The tree of the contract, with passwords of this test's own.
fn fresh_tree() -> toml::Table {
    let mut tree: toml::Table = toml::from_str(PLAIN).unwrap();
    let mut user = |path: String, name: &str, role: Option<&str>| {
        let mut keys = toml::Table::new();
        keys.insert("username".to_owned(), name.into());
        keys.insert("password".to_owned(), password().into());
        keys.extend(role.map(|role| ("role".to_owned(), role.into())));
        tree.insert(path, keys.into());
    };
    for service in ["validation", "aggregation", "reporting", "store"] {
        let name = format!("sale_pos_transaction_{service}");
        user(format!("message-broker/creds/{service}-service"), &name, None);
    }
    user("message-broker/creds/login".to_owned(), "admin", None);
    user("message-broker/creds/monitor".to_owned(), "monitor", None);
    user("message-broker/creds/otel".to_owned(), "telemetry_collector_service", None);
    for role in ["pos", "aggregation", "reporting"] {
        user(format!("validation-service/creds/{role}-service"), &format!("{role}-service_username"), Some(role));
    }
    user("validation-service/creds/admin".to_owned(), "admin", Some("admin"));
    tree
}

/// What is no secret in it.
const PLAIN: &str = r#"
["message-broker/config"]
pos_topic_prefix = "sale/pos/transaction"
msg_vpn = "default"
smf_protocol = "tcp"
smf_host = "127.0.0.1"
smf_port = "55555"
http_protocol = "http"
http_host = "message-broker"
http_port = "8080"
health_protocol = "http"
health_host = "message-broker"
health_port = "5550"
amqp_host = "message-broker"
amqp_port = "5672"
["message-broker/config/aggregation-service"]
queue_name = "sale_pos_transaction_aggregation_service"
["message-broker/config/otel"]
queue_name = "otel"
["validation-service/config"]
api_protocol = "http"
api_host = "traefik"
api_port = "80"
["otel-collector/config"]
otel_protocol = "http"
otel_host = "otel-collector"
otel_port = "4317"
tempo_host = "tempo"
tempo_port = "4317"
"#;

/// How long a service may go on with what it read last before a test calls it stuck.
pub const TOLD_WITHIN: Duration = Duration::from_secs(60);

//! `tillstream vault …` as a newcomer calls it, with `vault/server.hcl` and the default places: from nothing to a service whose
//! password changes under load. Every state in which a server can be found is a test of the crate `tillstream-vault-setup`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Badge, Load, Setup, TILL, eventually, pause};

const SOON: Duration = Duration::from_secs(60);

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A server from `vault/server.hcl` in a folder of the test's; only its ports are others.
struct Server {
    child: Child,
    home: PathBuf,
    address: String,
    http: reqwest::Client,
}

impl Server {
    /// Prepares the folder by command and starts the server in it.
    async fn start(setup: &Setup) -> Self {
        let home = setup.home().to_owned();
        succeed(setup, &["vault", "prepare"]).await;
        let text = fs::read_to_string(Path::new(ROOT).join("vault/server.hcl")).unwrap();
        let [port, cluster] = [(); 2].map(|()| free_port());
        let text = text.replace(":8200", &format!(":{port}")).replace(":8201", &format!(":{cluster}"));
        fs::write(home.join("server.hcl"), text).unwrap();
        let authority = fs::read(home.join("vault-data/tls/ca.pem")).unwrap();
        // An error says that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let trusted = reqwest::Certificate::from_pem(&authority).unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
        let server = Self { child: spawn(&home), home, address: format!("https://127.0.0.1:{port}"), http };
        server.listens().await;
        server
    }

    /// Ends it as a power cut would, and starts it again: sealed.
    async fn dies_and_comes_back(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.home);
        self.listens().await;
    }

    async fn listens(&self) {
        eventually("the server to listen", SOON, async || {
            let answer = self.http.get(format!("{}/v1/sys/health", self.address)).send().await;
            answer.map(drop).map_err(|error| format!("{error:?}\n{}", self.log()))
        })
        .await;
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.join("server.log")).unwrap_or_default()
    }

    /// What a role reads at a path, with the login that set-up has written.
    async fn read_as(&self, role: &str, path: &str) -> Value {
        let file = |name: &str| fs::read_to_string(self.home.join("vault-approles").join(role).join(name)).unwrap();
        let order = json!({ "role_id": file("role_id"), "secret_id": file("secret_id") });
        let login = self.http.post(format!("{}/v1/auth/approle/login", self.address)).json(&order);
        let login: Value = login.send().await.unwrap().json().await.unwrap();
        let token = login["auth"]["client_token"].as_str().unwrap();
        let read = self.http.get(format!("{}/v1/kv/data/{path}", self.address)).header("X-Vault-Token", token);
        let answer: Value = read.send().await.unwrap().json().await.unwrap();
        answer["data"]["data"].clone()
    }

    /// All HTTP users, as the local tree would have them.
    async fn users(&self) -> toml::Table {
        let mut users = toml::Table::new();
        for name in ["pos-service", "aggregation-service", "reporting-service", "admin"] {
            let path = format!("validation-service/creds/{name}");
            let keys = self.read_as("tillstream", &path).await;
            users.insert(path, toml::Value::try_from(keys).unwrap());
        }
        users
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(home: &Path) -> Child {
    let log = File::options().create(true).append(true).open(home.join("server.log")).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(tillstream_bao::program()).args(["server", "-config=server.hcl"]);
    command.env_clear().env("HOME", home).current_dir(home);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs the binary beside everything else that this test does.
async fn call(setup: &Setup, arguments: &[&str]) -> Output {
    let mut command = setup.command(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// All that it printed.
async fn succeed(setup: &Setup, arguments: &[&str]) -> String {
    let output = call(setup, arguments).await;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

/// Content of every file below a folder, but what the server itself keeps.
fn files_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("vault-data/raft") || path.ends_with("vault-data/audit.log") || path.ends_with("server.log") {
            continue;
        }
        if path.is_dir() {
            files.extend(files_of(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// The lines of a run that begin with this word.
fn lines_with<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(word)).collect()
}

#[tokio::test]
async fn d24_set_up_runs_again_after_success_after_a_crash_of_the_server_and_changes_nothing() {
    let setup = Setup::new();
    let mut server = Server::start(&setup).await;
    let address = server.address.clone();
    let set_up = async || succeed(&setup, &["vault", "set-up", "--address", &address]).await;

    let first = set_up().await;
    let users = server.users().await;
    let files = files_of(setup.home());
    let second = set_up().await;
    server.dies_and_comes_back().await;
    let third = set_up().await;

    assert!(first.contains("not initialised") && lines_with(&first, "done").len() > 40, "{first}");
    assert_eq!(lines_with(&second, "done"), ["done      administrator's token revoked"]);
    assert!(third.contains("sealed"), "{third}");
    assert_eq!(lines_with(&third, "done"), ["done      unsealed", "done      administrator's token revoked"]);
    assert_eq!(files_of(setup.home()), files);
    assert_eq!(server.users().await, users);
}

#[tokio::test]
async fn d24_half_a_set_up_is_completed_by_the_next_one() {
    let setup = Setup::new();
    let mut server = Server::start(&setup).await;
    let address = server.address.clone();

    // Ended somewhere in the middle, as a container is that is taken down; how far it got is not known.
    for milliseconds in [150, 300, 450] {
        let mut child = setup.command(&["vault", "set-up", "--address", &address]).spawn().unwrap();
        pause(Duration::from_millis(milliseconds)).await;
        let keys_are_safe = setup.home().join("vault-keys/unseal-keys").is_file();
        let is_over = child.try_wait().unwrap().is_some();
        if keys_are_safe && !is_over {
            child.kill().unwrap();
        }
        child.wait().unwrap();
    }
    server.dies_and_comes_back().await;

    succeed(&setup, &["vault", "set-up", "--address", &address]).await;

    let status = succeed(&setup, &["vault", "status", "--address", &address]).await;
    assert!(status.contains("active") && lines_with(&status, "login").len() == 8, "{status}");
}

#[tokio::test]
async fn d22_no_file_and_no_line_of_output_has_a_root_token_or_a_password() {
    let setup = Setup::new();
    let server = Server::start(&setup).await;
    let said = [
        succeed(&setup, &["vault", "set-up", "--address", &server.address]).await,
        succeed(&setup, &["vault", "rotate", TILL, "--address", &server.address]).await,
        succeed(&setup, &["vault", "renew", "--address", &server.address]).await,
        succeed(&setup, &["vault", "status", "--address", &server.address]).await,
    ]
    .concat();

    assert!(said.contains(&format!("`{TILL}`: version 2 is written")), "{said}");
    let token = regex::Regex::new(r"\b(hvs\.|s\.)[A-Za-z0-9_-]{20,}").unwrap();
    let files = files_of(setup.home());
    assert!(files.len() > 16, "{:?}", files.keys());
    for (path, content) in &files {
        assert!(!token.is_match(&String::from_utf8_lossy(content)), "a token in {}", path.display());
    }
    assert!(!token.is_match(&said) && !token.is_match(&server.log()), "a token is printed");
    let users = server.users().await;
    let passwords: Vec<&str> = users.values().filter_map(|keys| keys["password"].as_str()).collect();
    assert_eq!(passwords.len(), 4);
    for text in [said, server.log(), fs::read_to_string(setup.home().join("vault-data/audit.log")).unwrap()] {
        assert!(!passwords.iter().any(|password| text.contains(password)), "a password is printed");
    }
}

#[tokio::test]
async fn d23_whatever_is_made_or_rendered_lies_where_git_does_not_look() {
    let setup = Setup::new();
    let server = Server::start(&setup).await;
    succeed(&setup, &["vault", "set-up", "--address", &server.address]).await;

    let ignored = fs::read_to_string(Path::new(ROOT).join(".gitignore")).unwrap();
    let is_ignored = |folder: &str| ignored.lines().any(|line| line == format!("/{folder}"));
    let made = files_of(setup.home()).into_keys().filter(|path| !path.ends_with("server.hcl"));
    let mut folders: Vec<String> = made.map(|path| first_of(path.strip_prefix(setup.home()).unwrap())).collect();
    for agent in fs::read_dir(Path::new(ROOT).join("vault/agent")).unwrap().map(|entry| entry.unwrap().path()) {
        let text = if agent.is_file() { fs::read_to_string(&agent).unwrap() } else { continue };
        let destinations = text.lines().filter_map(|line| line.trim().strip_prefix("destination"));
        folders.extend(destinations.map(|rest| first_of(Path::new(rest.trim_matches([' ', '=', '"'])))));
    }
    folders.sort();
    folders.dedup();
    assert_eq!(folders, ["vault-approles", "vault-data", "vault-keys", "vault-rendered"]);
    for folder in folders {
        assert!(is_ignored(&folder), "git would take {folder}");
    }
}

fn first_of(path: &Path) -> String {
    path.components().next().unwrap().as_os_str().to_string_lossy().into_owned()
}

#[tokio::test]
async fn a_newcomer_comes_from_nothing_to_a_service_and_rotates_the_tills_password_under_load() {
    let setup = Setup::new();
    let server = Server::start(&setup).await;
    succeed(&setup, &["vault", "set-up", "--address", &server.address]).await;
    // What the tills know; the service itself reads the server.
    fs::create_dir_all(setup.data_dir()).unwrap();
    fs::write(setup.secrets_file(), toml::to_string(&server.users().await).unwrap()).unwrap();
    let vault_setup = setup
        .clone()
        .setting("secrets.source", "vault")
        .setting("secrets.refresh", "1s")
        .setting("vault.address", &server.address)
        .setting("vault.ca_cert", "vault-data/tls/ca.pem");
    let app = vault_setup.start().await;
    let badge = Badge::of("pos-service", app.users());
    let load = Load::start_with(&app, 4, &badge);
    pause(Duration::from_secs(1)).await;

    succeed(&setup, &["vault", "rotate", TILL, "--address", &server.address]).await;

    let password = server.read_as("pos-service", TILL).await["password"].as_str().unwrap().to_owned();
    assert_ne!(password, app.users().named("pos-service").1, "nothing was rotated");
    let fresh = badge.with(&password);
    eventually("the service to let the new password in", SOON, async || {
        if app.is_known(&fresh).await { Ok(()) } else { Err("a 401".to_owned()) }
    })
    .await;
    badge.take(&fresh);
    pause(Duration::from_secs(1)).await;
    let account = load.stop().await;
    assert_eq!(account.refusals, Vec::<String>::new(), "a till was refused");
    assert!(account.sales.len() > 50, "{} sales prove little", account.sales.len());
    app.counts(&account).await;
}

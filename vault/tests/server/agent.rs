//! The agents of `vault/agent` as they stand there, run by the real program: they render, and follow a rotation.
//! Only how often they look is shortened.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::bench::{Bench, run};
use tillstream_vault_setup::Kv;

const RENDERS_WITHIN: Duration = Duration::from_secs(40);

/// An agent that does not outlive the test.
struct Agent {
    child: Child,
    home: PathBuf,
}

impl Agent {
    /// Starts `vault/agent/<name>.hcl` where it finds `vault`, the logins of the bench, and nothing else.
    fn start(bench: &Bench, name: &str) -> Self {
        Self::start_with(bench, name, &[])
    }

    /// The same with further files of `vault/agent` beside it.
    fn start_with(bench: &Bench, name: &str, more: &[&str]) -> Self {
        let home = bench.path(&format!("agent-{name}"));
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("agent"), &home.join("vault/agent"));
        std::os::unix::fs::symlink(bench.path("approles"), home.join("vault-approles")).unwrap();
        let file = home.join(format!("vault/agent/{name}.hcl"));
        let text = fs::read_to_string(&file).unwrap();
        let often = text.replace("static_secret_render_interval = \"30s\"", "static_secret_render_interval = \"1s\"");
        assert_ne!(often, text);
        fs::write(&file, often).unwrap();
        let log = fs::File::create(home.join("log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(tillstream_bao::program()).arg("agent");
        command
            .args([name].iter().chain(more).map(|name| format!("-config=vault/agent/{name}.hcl")))
            .current_dir(&home);
        command.env_clear().env("HOME", &home).env("BAO_ADDR", bench.bao.address());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self { child: command.spawn().unwrap(), home }
    }

    /// Waits until a rendered file says this.
    async fn renders(&self, file: &str, wanted: &str) -> String {
        let deadline = Instant::now() + RENDERS_WITHIN;
        loop {
            let text = fs::read_to_string(self.home.join(file)).unwrap_or_default();
            if text.contains(wanted) {
                return text;
            }
            let log = fs::read_to_string(self.home.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "stuck: the agent does not write {file}; it says\n{log}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, &target).map(drop).unwrap() }
    }
}

async fn password(bench: &Bench, path: &str) -> String {
    bench.looks().await;
    let (_, two) = bench.bao.get(&format!("kv/data/{path}")).await;
    let (_, one) = bench.bao.get(&format!("kv/{path}")).await;
    bench.leaves().await;
    let password = two["data"]["data"]["password"].as_str().or(one["data"]["password"].as_str());
    password.unwrap().to_owned()
}

#[tokio::test]
async fn the_collectors_agent_renders_its_file_follows_a_rotation_and_keeps_its_login() {
    let bench = Bench::configured().await;
    let path = "message-broker/creds/otel";
    let first = password(&bench, path).await;

    let agent = Agent::start(&bench, "otel-collector");
    let rendered = agent.renders("vault-rendered/otel-collector/secrets.yaml", &first).await;
    bench.operator().await.rotate(path).await.unwrap();
    let second = password(&bench, path).await;
    let after = agent.renders("vault-rendered/otel-collector/secrets.yaml", &second).await;

    assert!(
        rendered.contains("broker: [\"message-broker:5672\"]")
            && rendered.contains("queue: \"queue://#telemetry-otel\""),
        "{rendered}"
    );
    assert!(!after.contains(&first));
    assert!(bench.path("approles/otel-collector/secret_id").is_file(), "the agent took its login away");
}

#[tokio::test]
async fn the_brokers_agent_renders_every_user_in_both_versions_of_the_mount() {
    for version in [Kv::One, Kv::Two] {
        let bench = Bench::start().await;
        let mut set_up = bench.set_up();
        set_up.new_mount = version;
        run(&set_up).await.unwrap();
        let login = password(&bench, "message-broker/creds/login").await;

        let agent = Agent::start(&bench, "message-broker");
        let rendered = agent.renders("vault-rendered/message-broker/broker.json", &login).await;

        let rendered: Value = serde_json::from_str(&rendered).unwrap();
        assert_eq!(rendered["users"].as_object().unwrap().len(), 7, "{rendered}");
        assert_eq!(rendered["users"]["login"]["password"], login);
        assert_eq!(rendered["url"], "http://message-broker:8080");
    }
}

#[tokio::test]
async fn d23_a_rendered_file_is_its_owners_and_no_token_stands_beside_it() {
    use std::os::unix::fs::PermissionsExt;

    let bench = Bench::configured().await;
    let agent = Agent::start(&bench, "otel-collector");
    agent.renders("vault-rendered/otel-collector/secrets.yaml", "password").await;

    let rendered = agent.home.join("vault-rendered");
    let mode = fs::metadata(rendered.join("otel-collector/secrets.yaml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folders: Vec<_> = fs::read_dir(&rendered).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(folders, ["otel-collector"]);
    assert_eq!(fs::read_dir(rendered.join("otel-collector")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_broker_in_a_container_gets_each_password_as_a_file_of_its_own_without_a_byte_more() {
    use std::os::unix::fs::PermissionsExt;

    let bench = Bench::configured().await;
    let agent = Agent::start_with(&bench, "message-broker", &["broker-passwords"]);

    for (path, directory) in [("login", "broker-admin"), ("monitor", "broker-monitor")] {
        let wanted = password(&bench, &format!("message-broker/creds/{path}")).await;
        let file = format!("vault-rendered/{directory}/password");
        assert_eq!(agent.renders(&file, &wanted).await, wanted);
        // The broker's image has a user of its own.
        assert_eq!(fs::metadata(agent.home.join(&file)).unwrap().permissions().mode() & 0o777, 0o444);
        assert_eq!(fs::read_dir(agent.home.join(file).parent().unwrap()).unwrap().count(), 1);
    }
    agent.renders("vault-rendered/message-broker/broker.json", "pos_topic_prefix").await;
}

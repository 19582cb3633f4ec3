//! Solace's own clients, in Python and in JavaScript on Node, against the built broker and against a service on it.
//! Judges nothing; the scripts under tests/ do, and this counts their verdicts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::running::{HTTP, Running, SMF};
use crate::stages::{Tests, counted};
use crate::{set_up, workspace};

/// Users of the broker as the scripts call them, and where the secrets have them.
const USERS: [(&str, &str); 5] = [
    ("validation", "message-broker/creds/validation-service"),
    ("aggregation", "message-broker/creds/aggregation-service"),
    ("reporting", "message-broker/creds/reporting-service"),
    ("store", "message-broker/creds/store-service"),
    ("operator", "message-broker/creds/login"),
];

/// Windows that are final soon, and simulated tills that fill them.
const QUICK: [(&str, &str); 6] = [
    ("TILLSTREAM__WINDOW__SIZE", "1s"),
    ("TILLSTREAM__WINDOW__DISORDER", "200ms"),
    ("TILLSTREAM__WINDOW__IDLE", "1s"),
    ("TILLSTREAM__WINDOW__ALLOWED_LATENESS", "2s"),
    ("TILLSTREAM__POS__RATE", "100"),
    ("TILLSTREAM__BROKER__BACKEND", "solace"),
];

/// Runs both clients twice: on a broker of their own, and beside a service while sales run.
pub fn run() -> Result<Tests> {
    set_up::run("clients")?;
    let folder = workspace::target_dir()?.join("clients");
    let alone = on_a_broker_alone(&folder.join("alone"))?;
    Ok(alone + beside_a_service(&folder.join("service"))?)
}

fn on_a_broker_alone(folder: &Path) -> Result<Tests> {
    let broker = start_broker(folder)?;
    let given = |store| given(folder, &broker.address, "broker", store);
    let tests = python(folder, &given(7)?)? + node(folder, &given(8)?)?;
    broker.stop()?;
    Ok(tests)
}

fn beside_a_service(folder: &Path) -> Result<Tests> {
    let broker = start_broker(folder)?;
    let host = [("TILLSTREAM__SOLACE__HOST", broker.address.as_str())];
    let mut command = Running::command()?;
    // The folder of the broker's secrets is the service's own: that is how they share them.
    command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder).envs(QUICK).envs(host);
    let service = Running::start(&mut command, HTTP)?;
    let given = |store| -> Result<Value> {
        let mut given = given(folder, &broker.address, "service", store)?;
        given["turnover_url"] = json!(format!("{}/api/v1/pos/turnover", service.address));
        given["turnover_user"] = user(&secrets(folder)?, "validation-service/creds/reporting-service")?;
        Ok(given)
    };
    let tests = python(folder, &given(1)?)? + node(folder, &given(2)?)?;
    service.stop()?;
    broker.stop()?;
    Ok(tests)
}

fn start_broker(folder: &Path) -> Result<Running> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    let arguments = ["broker", "--listen", "127.0.0.1:0", "--data-dir"];
    Running::start(Running::command()?.args(arguments).arg(folder), SMF)
}

/// What a script is told: a broker, its users, and a store whose queue nobody else uses meanwhile.
fn given(folder: &Path, host: &str, checks: &str, store: u32) -> Result<Value> {
    let secrets = secrets(folder)?;
    let config = entry(&secrets, "message-broker/config")?;
    let prefix = text(config, "pos_topic_prefix")?;
    let users: Result<serde_json::Map<_, _>> =
        USERS.iter().map(|(name, path)| Ok(((*name).to_owned(), user(&secrets, path)?))).collect();
    Ok(json!({
        "host": host,
        "vpn": text(config, "msg_vpn")?,
        "checks": checks,
        "prefix": prefix,
        "users": users?,
        "store": format!("STORE_{store}"),
        "store_queue": format!("sale_pos_transaction_aggregations_store{store}.q"),
        "foreign_queue": "sale_pos_transaction_ledger.q",
        "foreign_topic": format!("{prefix}/late/STORE_{store}/00000000-0000-4000-8000-000000000000"),
        "unmatched_topic": format!("{prefix}/check/validation"),
    }))
}

fn secrets(folder: &Path) -> Result<toml::Table> {
    let file = folder.join("secrets.toml");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    toml::from_str(&text).context("understand the secrets")
}

fn entry<'a>(secrets: &'a toml::Table, path: &str) -> Result<&'a toml::Value> {
    secrets.get(path).with_context(|| format!("the secrets have no `{path}`"))
}

fn text<'a>(entry: &'a toml::Value, key: &str) -> Result<&'a str> {
    entry.get(key).and_then(toml::Value::as_str).with_context(|| format!("a secret has no `{key}`"))
}

/// Name and password as the scripts want them.
fn user(secrets: &toml::Table, path: &str) -> Result<Value> {
    let entry = entry(secrets, path)?;
    Ok(json!([text(entry, "username")?, text(entry, "password")?]))
}

fn python(folder: &Path, given: &Value) -> Result<Tests> {
    let mut command = Command::new(set_up::python_bin("solclient", "python")?);
    // No compiled copies among the sources.
    command.arg("-B").arg(script("python/smf_clients.py")?);
    counted_with(command, folder, given)
}

fn node(folder: &Path, given: &Value) -> Result<Tests> {
    let mut command = Command::new("node");
    command.arg(script("node/smf_clients.js")?).env("NODE_PATH", set_up::node_modules("node")?);
    counted_with(command, folder, given)
}

fn script(path: &str) -> Result<PathBuf> {
    Ok(workspace::root()?.join("tests").join(path))
}

/// Runs a script and counts its verdicts. What it is told goes by standard input: everybody on this machine can read a command
/// line, and passwords are among it.
pub fn counted_with(mut command: Command, folder: &Path, given: &Value) -> Result<Tests> {
    let file = folder.join("given.json");
    fs::write(&file, given.to_string()).with_context(|| format!("write {}", file.display()))?;
    command.stdin(fs::File::open(&file).with_context(|| format!("open {}", file.display()))?);
    counted(command)
}

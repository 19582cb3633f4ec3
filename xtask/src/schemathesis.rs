//! Starts the built service on a free port and lets schemathesis attack it through the OpenAPI document that it serves.
//! Does not judge answers; schemathesis does, and its verdict is the stage's.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::running::{HTTP, Running};
use crate::{set_up, workspace};

/// Two checks that do not fit: rules across fields (a total, a line's price) refuse bodies that a schema cannot tell
/// from good ones, and requests that a cross-field rule refuses may name resources that never existed.
const UNFIT_CHECKS: &str = "positive_data_acceptance,use_after_free,ensure_resource_availability";

/// A stream that never ends: every one of hundreds of requests would be read until it is given up. Tests of its own read it.
const ENDLESS: &str = "/api/v1/events";

/// With two, Python 3.11 now and then fails in its own parser (`AST constructor recursion depth mismatch`).
const WORKERS: &str = "1";

/// Runs all phases once; the seed is fixed so that a failure can be repeated.
pub fn run() -> Result<()> {
    set_up::run("test")?;
    let folder = workspace::target_dir()?.join("schemathesis");
    remove(&folder)?;
    let roles = ["run", "--roles", "validation,aggregation,reporting", "--listen", "127.0.0.1:0", "--data-dir"];
    // Otherwise the attack would find the routes that break the service, and break it.
    let safe = [("TILLSTREAM__FAULTS__ENABLED", "false")];
    let service = Running::start(Running::command()?.args(roles).arg(&folder).envs(safe), HTTP)?;
    let password = admin_password(&folder.join("secrets.toml"))?;
    let document = format!("{}/api/v1/pos/openapi.json", service.address);
    let status = Command::new(set_up::python_bin("test", "st")?)
        .args(["run", &document, "--url", &service.address, "--auth", &format!("admin:{password}")])
        .args(["--checks", "all", "--exclude-checks", UNFIT_CHECKS, "--exclude-path", ENDLESS])
        .args(["--max-examples", "150", "--seed", "20261123", "--workers", WORKERS, "--request-timeout", "20"])
        .args(["--generation-database", "none", "--suppress-health-check", "all", "--no-color"])
        .current_dir(&folder)
        .status()
        .context("start schemathesis")?;
    service.stop()?;
    if !status.success() {
        bail!("schemathesis found something; repeat it with `cargo xtask schemathesis`");
    }
    remove(&folder)
}

fn admin_password(secrets: &Path) -> Result<String> {
    let text = std::fs::read_to_string(secrets).with_context(|| format!("read {}", secrets.display()))?;
    let tree: toml::Table = toml::from_str(&text).context("understand the secrets")?;
    let admin = tree.get("validation-service/creds/admin").and_then(|entry| entry.get("password"));
    admin.and_then(toml::Value::as_str).map(str::to_owned).context("find the admin's password")
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

//! The folder monitoring/: its files checked, its dashboards asked in a real Prometheus, its alerts made to fire.
//! Judges nothing; the scripts under monitoring/checks do, and this counts their verdicts.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::clients::counted_with;
use crate::running::Running;
use crate::stages::{Tests, counted};
use crate::{set_up, workspace};

/// All that is quick: the files, then three replicas under a real Prometheus.
pub fn run() -> Result<Tests> {
    set_up::run("monitoring")?;
    let files = counted(python("run.py")?)?;
    Ok(files + with_service("live")?)
}

/// Every alert made to fire, and heard of by a real Alertmanager.
pub fn alarms() -> Result<Tests> {
    set_up::run("monitoring")?;
    with_service("alarms")
}

/// The optimised service with Prometheus and Alertmanager beside it, until Ctrl-C.
pub fn monitor() -> Result<()> {
    set_up::run("monitoring")?;
    let binary = workspace::target_dir()?.join("release/tillstream");
    // The script takes this process's place, so that Ctrl-C is its own and it ends the others in order.
    Err(python("monitor.py")?.arg(binary).exec()).context("start monitoring/checks/monitor.py")
}

/// A script that starts the service that cargo built last, in a fresh folder.
fn with_service(name: &str) -> Result<Tests> {
    let folder = workspace::target_dir()?.join("monitoring").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    counted_with(python(&format!("{name}.py"))?, &folder, &given(&folder)?)
}

fn given(folder: &Path) -> Result<Value> {
    let binary = Running::command()?.get_program().to_owned();
    Ok(json!({ "binary": binary.to_string_lossy(), "folder": folder }))
}

fn python(script: &str) -> Result<Command> {
    let mut command = Command::new(set_up::python_bin("monitoring", "python")?);
    // No compiled copies among the sources.
    command.arg("-B").arg(workspace::root()?.join("monitoring/checks").join(script));
    Ok(command)
}

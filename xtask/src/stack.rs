//! The whole deployment as processes of this machine: to look at, and to break.
//! Starts no process of it; the scripts under twin/ do.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use crate::clients::counted_with;
use crate::plan::FEATURES;
use crate::running::Running;
use crate::stages::{Tests, cargo};
use crate::{set_up, workspace};

/// Installs and builds what is missing, then runs all of it until Ctrl-C; `password USER` only prints a password.
pub fn up(rest: &[&str]) -> Result<()> {
    if rest.first() != Some(&"password") {
        prepare()?;
    }
    let mut command = python("run.py")?;
    command.arg("--tillstream").arg(optimised()?).arg("--target").arg(workspace::target_dir()?).args(rest);
    // The script takes this process's place, so that Ctrl-C is its own and it ends the others in order.
    Err(command.exec()).context("start twin/run.py")
}

/// All of it for a moment under a little load, with a few disasters: the binary that the other stages test.
pub fn smoke() -> Result<Tests> {
    set_up::run("stack")?;
    with_folder("smoke", PathBuf::from(Running::command()?.get_program()))
}

/// The long script of disasters, with the optimised binary.
pub fn disasters() -> Result<Tests> {
    prepare()?;
    with_folder("disasters", optimised()?)
}

/// CPU and memory of every role at three rates, as markdown.
pub fn measure() -> Result<Tests> {
    prepare()?;
    with_folder("measure", optimised()?)
}

fn prepare() -> Result<()> {
    set_up::run("stack")?;
    println!("building; the first time takes some minutes");
    cargo(&["build", "--release", "--bin", "tillstream", FEATURES], &[]).map(drop)
}

fn optimised() -> Result<PathBuf> {
    Ok(workspace::target_dir()?.join("release/tillstream"))
}

/// A script that starts everything in a fresh folder, on free ports.
fn with_folder(name: &str, binary: PathBuf) -> Result<Tests> {
    let target = workspace::target_dir()?;
    let folder = target.join("stack-test").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let given = json!({ "binary": binary, "target": target, "folder": folder });
    counted_with(python(&format!("{name}.py"))?, &folder, &given)
}

/// The scripts share the Python environment of monitoring/, whose checks they use.
fn python(script: &str) -> Result<Command> {
    let mut command = Command::new(set_up::python_bin("monitoring", "python")?);
    // No compiled copies among the sources.
    command.arg("-B").arg(workspace::root()?.join("twin").join(script));
    Ok(command)
}

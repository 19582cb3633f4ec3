//! docker-compose.yml and the images behind it, checked as far as that goes without an engine.
//! Judges nothing; the scripts under tests/compose do, and this counts their verdicts.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use crate::clients::counted_with;
use crate::running::Running;
use crate::stages::Tests;
use crate::{set_up, solclient, workspace};

/// The files by others' tools and by our rules, then the half that is about secrets, played with the real programs.
pub fn run() -> Result<Tests> {
    set_up::run("compose")?;
    let folder = workspace::target_dir()?.join("compose");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let binary = Running::command()?.get_program().to_owned();
    let given = json!({
        "binary": binary.to_string_lossy(),
        "solclient": solclient::folder()?,
        "bao": set_up::python_bin("openbao", "bao")?,
        "compose": set_up::python_bin("compose", "docker-compose")?,
        "hadolint": set_up::python_bin("compose", "hadolint")?,
        "traefik": set_up::python_bin("stack", "traefik")?,
    });
    let mut command = Command::new(set_up::python_bin("compose", "python")?);
    // No compiled copies among the sources.
    command.arg("-B").arg(workspace::root()?.join("tests/compose/run.py"));
    counted_with(command, &folder, &given)
}

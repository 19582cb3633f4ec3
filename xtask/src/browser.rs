//! The live page in a real browser: its tests against the built service, and the README's picture of it.
//! Judges nothing; the scripts under tests/browser do, and this counts their verdicts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::clients::counted_with;
use crate::set_up::{self, CHROMIUM_PROGRAM};
use crate::stages::Tests;
use crate::{running::Running, workspace};

/// Everything about the page that a test can see; pictures of it are left in target/screenshots.
pub fn run() -> Result<Tests> {
    set_up::run("browser")?;
    let folder = fresh_folder()?;
    let binary = Path::new(Running::command()?.get_program()).to_owned();
    counted_with(node("live_page.js")?, &folder, &given(&folder, &binary)?)
}

/// The picture in the README, from the optimised service under load.
pub fn screenshot() -> Result<()> {
    set_up::run("browser")?;
    let folder = fresh_folder()?;
    let binary = workspace::target_dir()?.join("release/tillstream");
    let file = folder.join("given.json");
    fs::write(&file, given(&folder, &binary)?.to_string()).with_context(|| format!("write {}", file.display()))?;
    let told = fs::File::open(&file).with_context(|| format!("open {}", file.display()))?;
    set_up::succeed(node("screenshot.js")?.stdin(told))
}

/// The scripts start the service themselves: restarts are part of what they look at.
fn given(folder: &Path, binary: &Path) -> Result<Value> {
    Ok(json!({
        "binary": binary,
        "folder": folder,
        "browser": CHROMIUM_PROGRAM,
        "page": workspace::root()?.join("page"),
        "screenshots": workspace::target_dir()?.join("screenshots"),
        "picture": workspace::root()?.join("docs/live.webp"),
    }))
}

fn fresh_folder() -> Result<PathBuf> {
    let folder = workspace::target_dir()?.join("live-page");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

fn node(script: &str) -> Result<Command> {
    let mut command = Command::new("node");
    command.arg(workspace::root()?.join("tests/browser").join(script));
    command.env("NODE_PATH", set_up::node_modules("browser")?);
    Ok(command)
}

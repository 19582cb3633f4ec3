//! Sessions on the Solace library under valgrind: nothing may be lost, and no byte used that must not be.
//! Knows of the program only how it is called; which memory is excused, its suppressions say.

use std::process::Command;

use anyhow::Result;

use crate::stages::{Tests, cargo, counted};
use crate::{solclient, workspace};

/// Where the program and the suppressions are.
const FOLDER: &str = "actors/solace/examples";

/// Logins, and sales in each: valgrind makes everything fifty times slower.
const AMOUNT: [&str; 2] = ["10", "200"];

const RULES: [&str; 5] = [
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect",
    "--errors-for-leak-kinds=definite,indirect",
    "--num-callers=30",
    "--error-exitcode=1",
];

/// Builds the program and watches it.
pub fn run() -> Result<Tests> {
    cargo(&["build", "--package", "tillstream-solace", "--example", "leaks"], &[])?;
    let suppressions = workspace::root()?.join(FOLDER).join("leaks.supp");
    let mut command = Command::new("valgrind");
    command.args(RULES).arg(format!("--suppressions={}", suppressions.display()));
    command.arg(workspace::target_dir()?.join("debug/examples/leaks")).args(AMOUNT);
    command.env("LD_LIBRARY_PATH", solclient::folder()?);
    counted(command)
}

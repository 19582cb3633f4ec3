//! The folder terraform/: everything in it checked by Terraform itself, without a registry and without a broker.
//! Judges nothing; terraform/checks does, and this counts its verdicts.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::stages::{Tests, counted};
use crate::{set_up, workspace};

/// The oldest version whose language terraform/ uses: ephemeral variables.
const OLDEST: (u64, u64) = (1, 10);

/// Formatting, validity, tests, and mistakes that must be found.
pub fn run() -> Result<Tests> {
    set_up::run("terraform")?;
    let mut command = Command::new(set_up::python_bin("terraform", "python")?);
    // No compiled copies among the sources.
    command.arg("-B").arg(workspace::root()?.join("terraform/checks/run.py"));
    command.arg(workspace::target_dir()?.join("terraform"));
    counted(command)
}

/// Ensures that there is a Terraform that is new enough. No package registry carries one, so it cannot be installed from here.
pub fn ensure() -> Result<()> {
    let advice =
        "install Terraform 1.10 or newer and have it in PATH: https://developer.hashicorp.com/terraform/install";
    let answer = Command::new("terraform").args(["version", "-json"]).env("CHECKPOINT_DISABLE", "1").output();
    let answer = answer.ok().filter(|answer| answer.status.success()).with_context(|| advice.to_owned())?;
    let told: Value = serde_json::from_slice(&answer.stdout).context("read what `terraform version -json` says")?;
    let version = told["terraform_version"].as_str().unwrap_or_default();
    if !is_new_enough(version) {
        bail!("terraform {version} is too old: {advice}");
    }
    println!("set-up: terraform {version} is there");
    Ok(())
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u64>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else { return false };
    major == OLDEST.0 && minor >= OLDEST.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers_and_another_major_version_is_another_program() {
        let fine = ["1.10.0", "1.11.4", "1.14.0-rc1"];
        assert!(fine.iter().all(|version| is_new_enough(version)));
        let not_fine = ["1.9.8", "1.5.7", "0.15.5", "2.0.0", "", "one"];
        assert!(!not_fine.iter().any(|version| is_new_enough(version)));
    }
}

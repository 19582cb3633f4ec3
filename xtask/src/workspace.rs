//! What cargo knows about the workspace: its root, its crates, its test targets.
//! Asks `cargo metadata` without resolving dependencies, so it needs neither network nor lock.

use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// The end-to-end tests of the root package: they run in a stage of their own.
pub const END_TO_END: &str = "e2e";

/// Reads the manifests of the workspace.
pub fn metadata() -> Result<Metadata> {
    MetadataCommand::new().no_deps().exec().context("read the workspace's manifests with `cargo metadata`")
}

/// Where the workspace lies.
pub fn root() -> Result<PathBuf> {
    Ok(metadata()?.workspace_root.into_std_path_buf())
}

/// Where cargo builds.
pub fn target_dir() -> Result<PathBuf> {
    Ok(metadata()?.target_directory.into_std_path_buf())
}

/// Names of all integration test targets but the end-to-end tests.
pub fn integration_tests(metadata: &Metadata) -> Vec<String> {
    let targets = metadata.packages.iter().flat_map(|package| &package.targets);
    let mut names: Vec<String> = targets
        .filter(|target| target.is_test() && target.name != END_TO_END)
        .map(|target| target.name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

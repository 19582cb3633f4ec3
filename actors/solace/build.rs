//! Links the official Solace client library: the shared one that `cargo xtask solclient` has fetched, if there is one.
//! Otherwise does nothing: then solace-rs-sys links the static one that it has downloaded or was pointed at.

use std::path::{Path, PathBuf};

/// Names the folder of the library; solace-rs-sys reads the same variable, once, when it is built.
const VARIABLE: &str = "SOLCLIENT_LIB_PATH";

/// An archive of nothing: its header. It stands beside a shared library that is to be linked in its place.
const EMPTY_ARCHIVE: u64 = 8;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let Some(folder) = named().or_else(fetched).filter(|folder| has_shared_library_only(folder)) else { return };
    let folder = folder.display();
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-lib=dylib=solclient");
    // For this crate's own tests and examples; a program reads the folder and does the same for itself.
    println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    println!("cargo::metadata=folder={folder}");
}

fn named() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from)
}

/// In cargo's target directory, which this script's own output is somewhere below.
fn fetched() -> Option<PathBuf> {
    let output = PathBuf::from(std::env::var_os("OUT_DIR")?);
    output.ancestors().map(|folder| folder.join("solclient")).find(|folder| has_shared_library_only(folder))
}

fn has_shared_library_only(folder: &Path) -> bool {
    let empty = std::fs::metadata(folder.join("libsolclient.a")).is_ok_and(|archive| archive.len() <= EMPTY_ARCHIVE);
    empty && folder.join("libsolclient.so").exists()
}

//! Lets the service find the Solace client library when it starts, if it is built with the feature `solace`; and lists the files of
//! the live page, so that the binary has all of them and nobody keeps a second list.
//! Which library that is, and where, is decided by the build script of `actors/solace`. Changes no byte of a page.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

/// Where the live page stands.
const PAGE: &str = "page";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(folder) = env::var("DEP_SOLCLIENT_FOLDER") {
        // Beside the program first, so that both can be moved together.
        println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN:{folder}");
    }
    list_page()
}

/// Writes an expression: every file's name and content.
fn list_page() -> io::Result<()> {
    println!("cargo::rerun-if-changed={PAGE}");
    let folder = fs::canonicalize(PAGE)?;
    let mut names: Vec<_> = fs::read_dir(&folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    let mut table = String::from("&[\n");
    for name in names {
        let (name, file) = (name.to_string_lossy(), folder.join(&name));
        println!("cargo::rerun-if-changed={PAGE}/{name}");
        writeln!(table, "    ({name:?}, include_bytes!({file:?})),").map_err(io::Error::other)?;
    }
    table.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo names no folder for what is built"))?;
    fs::write(Path::new(&out).join("page.rs"), table)
}

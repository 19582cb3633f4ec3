//! Installs what tests, soak and bench need beyond a Rust toolchain: Debian packages, a Python environment, cargo-fuzz.
//! Does nothing that is already done, and nothing outside `target/` but the Debian packages and cargo-fuzz.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{solclient, terraform, workspace};

/// Ensures everything that `kind` (test, clients, browser, openbao, monitoring, terraform, compose, stack, bench, leaks or soak)
/// needs.
pub fn run(kind: &str) -> Result<()> {
    match kind {
        "bench" => {
            packages(&[("wrk", "wrk", &["--version"]), PYTHON])?;
            environment(kind)?;
            solclient::ensure()
        }
        "soak" => {
            packages(&[STRACE, PYTHON, VALGRIND, PROMETHEUS, ALERTMANAGER])?;
            environment("test")?;
            environment("monitoring")?;
            environment("openbao")?;
            environment("solclient")?;
            solclient::ensure()?;
            cargo_fuzz()
        }
        "leaks" => {
            packages(&[PYTHON, VALGRIND])?;
            solclient::ensure()
        }
        "clients" => {
            packages(&[PYTHON, NODE, NPM])?;
            environment("solclient")?;
            node_environment("node")
        }
        "browser" => {
            packages(&[NODE, NPM, CHROMIUM, INTER])?;
            node_environment(kind)
        }
        "openbao" => openbao(),
        "monitoring" => {
            packages(&[PYTHON, PROMETHEUS, ALERTMANAGER])?;
            environment(kind)
        }
        "terraform" => {
            terraform::ensure()?;
            packages(&[PYTHON])?;
            environment(kind)
        }
        "compose" => {
            packages(&[PYTHON])?;
            environment(kind)?;
            environment("stack")?;
            environment("openbao")
        }
        "stack" => {
            packages(&[PYTHON, PROMETHEUS, ALERTMANAGER])?;
            for kind in ["monitoring", "openbao", "rotel", "stack"] {
                environment(kind)?;
            }
            solclient::ensure()
        }
        _ => {
            components()?;
            packages(&[STRACE, PYTHON, NODE, NPM, CHROMIUM, INTER, PROMETHEUS, ALERTMANAGER])?;
            environment("test")?;
            environment("monitoring")?;
            environment("compose")?;
            environment("stack")?;
            environment("openbao")?;
            environment("rotel")?;
            environment("solclient")?;
            environment("terraform")?;
            node_environment("node")?;
            node_environment("browser")?;
            terraform::ensure()?;
            solclient::ensure()
        }
    }
}

/// A real Vault for whoever wants one at hand; says what a shell needs.
fn openbao() -> Result<()> {
    packages(&[PYTHON])?;
    environment("openbao")?;
    let programs = workspace::target_dir()?.join("venv-openbao/bin");
    println!("export PATH={}:$PATH", programs.display());
    Ok(())
}

/// The Python of the environment that `kind` needs.
pub fn python_bin(kind: &str, program: &str) -> Result<PathBuf> {
    Ok(workspace::target_dir()?.join(format!("venv-{kind}/bin/{program}")))
}

/// Where Node finds the packages of tests/node or tests/browser.
pub fn node_modules(kind: &str) -> Result<PathBuf> {
    Ok(workspace::target_dir()?.join(kind).join("node_modules"))
}

/// Ensures a Python that can make virtual environments.
pub fn python() -> Result<()> {
    packages(&[PYTHON])
}

/// Debian package, program, and arguments with which the program proves that it works.
type Package = (&'static str, &'static str, &'static [&'static str]);

const STRACE: Package = ("strace", "strace", &["-V"]);
const PYTHON: Package = ("python3-venv", "python3", &["-c", "import venv, ensurepip"]);
/// Watching nothing shows whether it has the C library's symbols, without which it watches nothing at all.
const VALGRIND: Package = ("valgrind", "valgrind", &["true"]);
/// With promtool. Debian starts both packages' services on their usual ports; the stages take others.
const PROMETHEUS: Package = ("prometheus", "promtool", &["--version"]);
const ALERTMANAGER: Package = ("prometheus-alertmanager", "amtool", &["--version"]);
const NODE: Package = ("nodejs", "node", &["--version"]);
const NPM: Package = ("npm", "npm", &["--version"]);
const CHROMIUM: Package = ("chromium", CHROMIUM_PROGRAM, &["--version"]);
/// A typeface that the page asks for first, so that pictures of it do not depend on what else is installed.
const INTER: Package = ("fonts-inter", "fc-list", &["--quiet", "Inter"]);
/// Debian's, not whatever a PATH has: the stage drives this one.
pub const CHROMIUM_PROGRAM: &str = "/usr/bin/chromium";

fn packages(wanted: &[Package]) -> Result<()> {
    let missing: Vec<&str> =
        wanted.iter().filter(|(_, program, proof)| !works(program, proof)).map(|(package, ..)| *package).collect();
    if missing.is_empty() {
        println!("set-up: Debian packages are there");
        return Ok(());
    }
    println!("set-up: installing {}", missing.join(", "));
    root_command("apt-get", &["update", "-qq"])?;
    root_command("apt-get", &[&["install", "-y", "-qq", "--no-install-recommends"], missing.as_slice()].concat())?;
    for (package, program, proof) in wanted {
        if !works(program, proof) {
            bail!("`{program}` does not work although `{package}` was installed: another {program} earlier in PATH?");
        }
    }
    Ok(())
}

/// wrk answers `--version` with a usage text and status 1, so starting at all is the proof there.
fn works(program: &str, proof: &[&str]) -> bool {
    let status = Command::new(program).args(proof).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success() || program == "wrk")
}

fn root_command(program: &str, arguments: &[&str]) -> Result<()> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let mut command = Command::new(if is_root { program } else { "sudo" });
    if !is_root {
        command.arg(program);
    }
    succeed(command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
}

/// Pins every package; the stamp holds the pins that the environment was made from.
fn environment(kind: &str) -> Result<()> {
    let pins = workspace::root()?.join(format!("tests/python/{kind}.txt"));
    let wanted = std::fs::read_to_string(&pins).with_context(|| format!("read {}", pins.display()))?;
    let folder = workspace::target_dir()?.join(format!("venv-{kind}"));
    let stamp = folder.join("pins");
    if std::fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
        println!("set-up: Python environment for {kind} is there");
        return Ok(());
    }
    println!("set-up: making the Python environment for {kind}");
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    succeed(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "--requirement"]).arg(&pins))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("write {}", stamp.display()))
}

/// Installs what tests/node or tests/browser pins, outside the sources; the stamp holds the pins that it was made from.
fn node_environment(kind: &str) -> Result<()> {
    let pins = workspace::root()?.join("tests").join(kind);
    let folder = workspace::target_dir()?.join(kind);
    let lock = pins.join("package-lock.json");
    let wanted = std::fs::read_to_string(&lock).with_context(|| format!("read {}", lock.display()))?;
    let stamp = folder.join("pins");
    if std::fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
        println!("set-up: packages of tests/{kind} are there");
        return Ok(());
    }
    println!("set-up: installing packages of tests/{kind}");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(pins.join(file), folder.join(file)).with_context(|| format!("copy tests/{kind}/{file}"))?;
    }
    let arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts"];
    succeed(Command::new("npm").args(arguments).current_dir(&folder))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("write {}", stamp.display()))
}

/// A minimal toolchain lacks these two.
fn components() -> Result<()> {
    for component in ["fmt", "clippy"] {
        if !works("cargo", &[component, "--version"]) {
            let name = if component == "fmt" { "rustfmt" } else { component };
            succeed(Command::new("rustup").args(["component", "add", name]))?;
        }
    }
    Ok(())
}

/// Builds and runs the libFuzzer targets; only the soak needs it.
fn cargo_fuzz() -> Result<()> {
    if works("cargo", &["fuzz", "--version"]) {
        return Ok(());
    }
    succeed(Command::new("cargo").args(["install", "--locked", "cargo-fuzz"]))
}

/// Runs a command; its failure is ours.
pub fn succeed(command: &mut Command) -> Result<()> {
    let name = Path::new(command.get_program()).display().to_string();
    let status = command.status().with_context(|| format!("start `{name}`"))?;
    if !status.success() {
        bail!("`{name}` ended with {status}");
    }
    Ok(())
}

//! Which stages make up `make test`, `make soak` and `make bench`, in which order.
//! Does not run anything itself; a stage's work is cargo's or another module's.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::stages::{Stages, Tests, cargo, counted, plain};
use crate::{
    browser, clients, compose, end_to_end, fences, leaks, monitoring, schemathesis, set_up, stack, style, terraform,
    workspace,
};

/// How long each libFuzzer target runs in a soak.
const FUZZ_SECONDS: u32 = 600;

/// libFuzzer's targets under fuzz/.
const FUZZ_TARGETS: [&str; 4] = ["transaction_body", "window_input", "smf_frame", "smf_listener"];

/// Every stage builds these features: one set, so that nothing is built twice.
pub const FEATURES: &str = "--features=tillstream/solace";

/// Everything that must hold before a commit.
pub fn test() -> Result<()> {
    let mut stages = Stages::default();
    stages.run("set-up", || plain(set_up::run("test")));
    if !stages.all_well() {
        return stages.finish();
    }
    stages.run("format", || cargo(&["fmt", "--all", "--check"], &[]));
    stages.run("fences and style", || plain(fences::check().and(style::check())));
    let clippy = ["clippy", "--workspace", "--all-targets", FEATURES, "--", "-D", "warnings"];
    stages.run("clippy", || cargo(&clippy, &[]));
    let without_solace = ["check", "--package", "tillstream"];
    stages.run("build without features", || cargo(&without_solace, &[]));
    let docs = ["doc", "--no-deps", "--workspace", FEATURES];
    stages.run("documentation", || cargo(&docs, &[("RUSTDOCFLAGS", "-D warnings")]));
    stages.run("unit and property tests", unit_tests);
    stages.run("end-to-end on embedded", end_to_end::on_embedded);
    stages.run("end-to-end on solace", || end_to_end::on_solace(&[]));
    stages.run("official clients", clients::run);
    stages.run("browser", browser::run);
    stages.run("schemathesis", || plain(schemathesis::run()));
    stages.run("monitoring", monitoring::run);
    stages.run("terraform", terraform::run);
    stages.run("compose", compose::run);
    stages.run("stack", stack::smoke);
    stages.finish()
}

/// The long runs. The same end-to-end tests with more sales, more rounds of the property tests, then valgrind and libFuzzer.
pub fn soak() -> Result<()> {
    let mut stages = Stages::default();
    stages.run("set-up", || plain(set_up::run("soak")));
    let more = [
        ("TILLSTREAM_TEST_REPLAY_SALES", "500000"),
        ("PROPTEST_CASES", "20000"),
        ("ROOM_SEEDS", "3000"),
        ("TILLSTREAM_TEST_FUZZ_INPUTS", "5000000"),
        ("TILLSTREAM_TEST_DRILL_FAULTS", "5000"),
        ("TILLSTREAM_TEST_DRILL_KILLS", "20"),
        ("TILLSTREAM_TEST_DRILL_FULL_DISKS", "3"),
        ("TILLSTREAM_TEST_OUTAGE_SECONDS", "60"),
        ("TILLSTREAM_TEST_CUTS", "1000"),
        ("TILLSTREAM_TEST_VAULT_SECONDS", "60"),
    ];
    stages.run("all tests, longer", || cargo(&["test", "--workspace", FEATURES, "--no-fail-fast"], &more));
    stages.run("end-to-end on solace, longer", || end_to_end::on_solace(&more));
    stages.run("alarms", monitoring::alarms);
    stages.run("leaks under valgrind", leaks::run);
    for target in FUZZ_TARGETS {
        stages.run(&format!("libFuzzer {target}"), || fuzz(target));
    }
    stages.finish()
}

/// Builds service and harness optimised and prints the figures.
pub fn bench(rest: &[&str]) -> Result<()> {
    set_up::run("bench")?;
    let build = ["build", "--release", "-p", "tillstream", "-p", "tillstream-bench", "--bins", FEATURES];
    cargo(&build, &[])?;
    let examples = [
        ("tillstream-window", "aggregate_bench"),
        ("tillstream-supervision", "tell_ask"),
        ("tillstream-bench", "restart_latency"),
        ("tillstream-solace", "through_smf"),
    ];
    for (package, example) in examples {
        cargo(&["build", "--release", "-p", package, "--example", example], &[])?;
    }
    let harness = workspace::target_dir()?.join("release/tillstream-bench");
    let status = Command::new(harness).args(rest).status().context("start the load harness")?;
    if !status.success() {
        bail!("the load harness ended with {status}");
    }
    Ok(())
}

/// Libraries, binaries and integration tests of all rooms, then the examples in documentation.
/// Always the whole workspace: a selection would unify features differently and build the libraries twice.
fn unit_tests() -> Result<Tests> {
    let names = workspace::integration_tests(&workspace::metadata()?);
    let mut arguments = vec!["test", "--workspace", FEATURES, "--no-fail-fast", "--lib", "--bins"];
    for name in &names {
        arguments.extend(["--test", name]);
    }
    let tests = cargo(&arguments, &[])?;
    Ok(tests + cargo(&["test", "--workspace", FEATURES, "--no-fail-fast", "--doc"], &[])?)
}

fn fuzz(target: &str) -> Result<Tests> {
    let limit = format!("-max_total_time={FUZZ_SECONDS}");
    // What libFuzzer finds goes to the first folder; the second, the corpus of the repository, is only read.
    let found = workspace::target_dir()?.join("fuzz-corpus").join(target);
    std::fs::create_dir_all(&found).with_context(|| format!("make `{}`", found.display()))?;
    let known = seeds(target)?;
    let mut command = Command::new("cargo");
    // libFuzzer's instrumentation is an unstable flag; the stable compiler takes it when it is asked to.
    command.args(["fuzz", "run", target]).arg(found).arg(known).args(["--", &limit]);
    command.env("RUSTC_BOOTSTRAP", "1").current_dir(workspace::root()?);
    counted(command)
}

/// The folder of a target's first inputs. The repository keeps binary ones as text; those are written out.
fn seeds(target: &str) -> Result<PathBuf> {
    let folder = workspace::root()?.join("fuzz/corpus");
    let Ok(text) = std::fs::read_to_string(folder.join(format!("{target}.hex"))) else {
        return Ok(folder.join(target));
    };
    let out = workspace::target_dir()?.join("fuzz-seeds").join(target);
    std::fs::create_dir_all(&out).with_context(|| format!("make `{}`", out.display()))?;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, hex) = line.split_once(' ').context("read a name and its bytes")?;
        let digits = hex.as_bytes().chunks(2).map(std::str::from_utf8);
        let bytes: Result<Vec<u8>> = digits.map(|pair| Ok(u8::from_str_radix(pair?, 16)?)).collect();
        std::fs::write(out.join(name), bytes.with_context(|| format!("read `{name}`"))?)?;
    }
    Ok(out)
}

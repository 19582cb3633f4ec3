//! The end-to-end tests, once per backend: the same suite, less what only one of them can show.
//! Knows of the tests only their names; which backend a test is on, it asks itself.

use anyhow::{Context, Result, bail};

use crate::plan::FEATURES;
use crate::stages::{Tests, cargo};
use crate::workspace;

/// The variable by which the tests choose.
const VARIABLE: &str = "TILLSTREAM_TEST_BACKEND";

/// Tests that are on the Solace backend whatever is chosen; once is enough.
const ALWAYS_ON_SOLACE: [&str; 4] = ["outages::", "refusals::", "old_broker_defects::", "vault_broker::"];

/// Tests that no broker makes a difference to, or that choose one themselves; once is enough.
const ON_ANY: [&str; 5] =
    ["canaries::", "old_secret_defects::", "vault_troubles::", "vault_rotation::", "vault_start::"];

/// The suite with the broker in the service's process.
pub fn on_embedded() -> Result<Tests> {
    run("embedded", &ALWAYS_ON_SOLACE, &[])
}

/// The suite with `tillstream broker` beside the service, which reaches it with Solace's own library.
pub fn on_solace(environment: &[(&str, &str)]) -> Result<Tests> {
    let text = std::fs::read_to_string(workspace::root()?.join("tests/e2e/only_embedded.txt"));
    let text = text.context("read tests/e2e/only_embedded.txt")?;
    let left_out = left_out(&text)?;
    for (name, reason) in &left_out {
        println!("left out on solace: {name}: {reason}");
        is_a_test(name)?;
    }
    let names: Vec<&str> = left_out.iter().map(|(name, _)| *name).chain(ON_ANY).collect();
    run("solace", &names, environment)
}

fn run(backend: &str, skipped: &[&str], environment: &[(&str, &str)]) -> Result<Tests> {
    let mut arguments = vec!["test", "--workspace", FEATURES, "--no-fail-fast", "--test", workspace::END_TO_END, "--"];
    arguments.extend(skipped.iter().flat_map(|name| ["--skip", name]));
    cargo(&arguments, &[environment, &[(VARIABLE, backend)]].concat())
}

/// Names and reasons.
fn left_out(text: &str) -> Result<Vec<(&str, &str)>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(": ").with_context(|| format!("`{line}` needs a name and a reason"))).collect()
}

/// A name that is left out and is no test would leave out nothing, and nobody would notice.
fn is_a_test(name: &str) -> Result<()> {
    let (module, function) =
        name.split_once("::").with_context(|| format!("`{name}` needs a module and a function"))?;
    let file = workspace::root()?.join(format!("tests/e2e/{module}.rs"));
    let source = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    if !source.contains(&format!("async fn {function}()")) {
        bail!("{} has no test `{function}`, but only_embedded.txt leaves it out", file.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_a_reason() {
        assert_eq!(left_out("# why\na::b: because; see c::d\n").unwrap(), [("a::b", "because; see c::d")]);
        assert!(left_out("a::b\n").is_err());
    }

    #[test]
    fn no_module_is_left_out_because_its_name_holds_another_one() {
        for (name, other) in ALWAYS_ON_SOLACE.iter().flat_map(|name| ON_ANY.iter().map(move |other| (name, other))) {
            assert!(!other.contains(name) && !name.contains(other), "`--skip {name}` would leave out `{other}` too");
        }
    }

    #[test]
    fn a_name_that_is_no_test_is_an_error() {
        assert!(is_a_test("counting::stores_do_not_share_windows").is_ok());
        assert!(is_a_test("counting::stores_do").is_err());
        assert!(is_a_test("nowhere::stores_do_not_share_windows").is_err());
    }
}

//! Runs stages one after the other, lets their output through, and sums up what they took and how many tests they ran.
//! Does not know what a stage is for.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::solclient;

/// Stages that have run.
#[derive(Debug, Default)]
pub struct Stages {
    done: Vec<Done>,
}

#[derive(Debug)]
struct Done {
    name: String,
    took: Duration,
    tests: Tests,
    failure: Option<String>,
}

/// How many tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tests {
    passed: u64,
    failed: u64,
}

// === impl Stages ===

impl Stages {
    /// Runs one stage; a failure is kept for the summary and does not stop the next stage.
    pub fn run(&mut self, name: &str, stage: impl FnOnce() -> Result<Tests>) {
        println!("\n── {name} ──");
        let start = Instant::now();
        let outcome = stage();
        let took = start.elapsed();
        let (tests, failure) = match outcome {
            Ok(tests) if tests.failed == 0 => (tests, None),
            Ok(tests) => (tests, Some(format!("{} tests failed", tests.failed))),
            Err(error) => (Tests::default(), Some(format!("{error:#}"))),
        };
        let verdict = failure.as_deref().map_or("ok".to_owned(), |failure| format!("FAILED: {failure}"));
        println!("── {name}: {verdict} ({:.1} s)", took.as_secs_f64());
        self.done.push(Done { name: name.to_owned(), took, tests, failure });
    }

    /// Whether every stage so far went well.
    pub fn all_well(&self) -> bool {
        self.done.iter().all(|stage| stage.failure.is_none())
    }

    /// Prints the table and the closing line; fails if a stage failed.
    pub fn finish(&self) -> Result<()> {
        println!("\n{:<28} {:>9} {:>8} {:>8}", "stage", "seconds", "passed", "failed");
        for Done { name, took, tests, failure } in &self.done {
            let mark = if failure.is_some() { "  FAILED" } else { "" };
            let seconds = took.as_secs_f64();
            println!("{name:<28} {seconds:>9.1} {:>8} {:>8}{mark}", tests.passed, tests.failed);
        }
        let total: Duration = self.done.iter().map(|stage| stage.took).sum();
        println!("{:<28} {:>9.1}", "total", total.as_secs_f64());
        let sum = self.sum();
        println!("{} passed, {} failed", sum.passed, sum.failed);
        if !self.all_well() {
            bail!("{} stages failed", self.done.iter().filter(|stage| stage.failure.is_some()).count());
        }
        Ok(())
    }

    /// A stage that failed without naming a test counts as one failure: `0 failed` must mean that all is well.
    fn sum(&self) -> Tests {
        let failed = |stage: &Done| stage.tests.failed.max(u64::from(stage.failure.is_some()));
        Tests {
            passed: self.done.iter().map(|stage| stage.tests.passed).sum(),
            failed: self.done.iter().map(failed).sum(),
        }
    }
}

/// Runs a check that has no tests of its own.
pub fn plain(check: Result<()>) -> Result<Tests> {
    check.map(|()| Tests::default())
}

/// Runs cargo with these arguments, lets its output through and counts the tests that it reports.
/// Cargo is always told where the Solace library is: with another variable in its environment it would build again.
pub fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Tests> {
    println!("$ cargo {}", arguments.join(" "));
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(program);
    command.args(arguments).env(solclient::VARIABLE, solclient::folder()?).envs(environment.iter().copied());
    counted(command)
}

/// Runs a command in the same way.
pub fn counted(mut command: Command) -> Result<Tests> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("start `{name}`"))?;
    let mut tests = Tests::default();
    for line in BufReader::new(child.stdout.take().context("read its output")?).lines() {
        let line = line?;
        println!("{line}");
        tests.read(&line);
    }
    let status = child.wait()?;
    if !status.success() && tests.failed == 0 {
        bail!("`{name}` ended with {status}");
    }
    Ok(tests)
}

// === impl Tests ===

impl std::ops::Add for Tests {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl Tests {
    /// The end of a command that is one stage.
    pub fn verdict(self) -> Result<()> {
        if self.failed > 0 {
            bail!("{} of {} checks failed", self.failed, self.passed + self.failed);
        }
        Ok(())
    }

    /// Adds the figures of a line such as `test result: ok. 12 passed; 0 failed; …`.
    fn read(&mut self, line: &str) {
        let Some((_, figures)) = line.split_once("test result: ") else { return };
        let figure = |word: &str| {
            let before = figures.split_once(word).map_or("", |(before, _)| before);
            before.split_whitespace().last().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
        };
        self.passed += figure(" passed");
        self.failed += figure(" failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests(passed: u64, failed: u64) -> Tests {
        Tests { passed, failed }
    }

    #[test]
    fn the_totals_of_all_test_binaries_are_added() {
        let mut sum = Tests::default();
        sum.read("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        sum.read("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        sum.read("test a_sale_is_counted ... ok");
        assert_eq!(sum, tests(15, 2));
    }

    #[test]
    fn a_failing_stage_fails_the_whole_and_the_next_one_still_runs() {
        let mut stages = Stages::default();
        stages.run("first", || bail!("no"));
        stages.run("second", || Ok(tests(4, 0)));
        assert_eq!(stages.sum(), tests(4, 1));
        assert!(stages.finish().is_err());
    }

    #[test]
    fn a_failing_test_fails_its_stage_even_if_the_command_did_not() {
        let mut stages = Stages::default();
        stages.run("tests", || Ok(tests(4, 1)));
        assert!(!stages.all_well());
    }

    #[test]
    fn a_command_that_fails_without_a_failing_test_is_an_error() {
        assert!(counted(Command::new("false")).is_err());
        assert!(counted(Command::new("true")).is_ok());
    }
}

//! The workspace's chores as commands: `cargo xtask fences|style|test|soak|bench|monitor|…`.
//! Knows nothing of sales; it reads manifests and sources, runs cargo and sums up what happened.
#![expect(clippy::print_stdout, reason = "a command line tool talks on stdout")]

mod browser;
mod clients;
mod compose;
mod end_to_end;
mod fences;
mod leaks;
mod masking;
mod monitoring;
mod plan;
mod rules;
mod running;
mod schemathesis;
mod set_up;
mod solclient;
mod sources;
mod stack;
mod stages;
mod style;
mod terraform;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::stages::Tests;

const USAGE: &str = "usage: cargo xtask <command>

  fences         fail on a dependency between rooms that fences.toml does not allow
  style          fail on what the house style forbids and clippy cannot see
  test           all checks and all tests, with the time of each stage
  soak           the long runs: more sales, more faults, libFuzzer, valgrind
  leaks          sessions on the Solace library under valgrind
  bench          the figures of docs/PERFORMANCE.md, as markdown
  solclient      fetch the official Solace client library into target/solclient
  clients        drive the built broker with Solace's own Python and JavaScript clients
  browser        the live page in Chromium, against the built service; pictures in target/screenshots
  screenshot     the picture in the README, from the optimised service under load
  schemathesis   drive the built service with schemathesis
  monitoring     check monitoring/, and ask its dashboards' queries of a real Prometheus that watches the built service
  compose        check docker-compose.yml and its images without an engine
  alarms         make every alert fire for real; needs the right to mount a tmpfs
  stack          run the whole deployment as processes of this machine, until Ctrl-C; `stack password USER` prints a password
  stack-smoke    start it for a moment and break it a little
  stack-test     start it under load and break everything in it
  stack-measure  CPU and memory of every role at three rates, as markdown
  monitor        run the optimised service with Prometheus and Alertmanager beside it, until Ctrl-C
  terraform      check terraform/ with Terraform itself, without a registry or a broker
  set-up [test|bench|soak|openbao|monitoring|stack|terraform]   install what these commands need beyond a Rust toolchain";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["fences"] => fences::check(),
        ["style"] => style::check(),
        ["test"] => plan::test(),
        ["soak"] => plan::soak(),
        ["bench", rest @ ..] => plan::bench(rest),
        ["leaks"] => set_up::run("leaks").and_then(|()| leaks::run()).map(drop),
        ["clients"] => clients::run().map(drop),
        ["browser"] => browser::run().map(drop),
        ["screenshot"] => browser::screenshot(),
        ["schemathesis"] => schemathesis::run(),
        ["monitoring"] => monitoring::run().map(drop),
        ["compose"] => compose::run().map(drop),
        ["alarms"] => monitoring::alarms().map(drop),
        ["monitor"] => monitoring::monitor(),
        ["terraform"] => terraform::run().map(drop),
        ["stack", rest @ ..] => stack::up(rest),
        ["stack-smoke"] => stack::smoke().and_then(Tests::verdict),
        ["stack-test"] => stack::disasters().and_then(Tests::verdict),
        ["stack-measure"] => stack::measure().and_then(Tests::verdict),
        ["solclient"] => solclient::run(),
        ["set-up", kind @ ("test" | "bench" | "soak" | "openbao" | "monitoring" | "stack" | "terraform")] => {
            set_up::run(kind)
        }
        ["set-up"] => set_up::run("test"),
        _ => bail!("{USAGE}"),
    }
}

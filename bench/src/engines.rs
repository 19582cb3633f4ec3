//! Aggregation alone beside Bytewax doing the same sum, what supervision costs beside plain actix, and killed actors.
//! Runs the rooms' own measurements and passes their output on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Options;

/// Sales for Bytewax; it needs no more to reach its speed.
const BYTEWAX_SALES: &str = "300000";

/// Runs the measurements after one another, alone on the machine.
pub fn measure(options: &Options) -> Result<()> {
    println!("### Aggregation alone, one core, from payload bytes in memory to emitted windows\n");
    println!("```\n{}```\n", output(&mut Command::new(options.program("examples/aggregate_bench")?))?);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load/bytewax_sum.py");
    for batch in ["1000", "1"] {
        let mut bytewax = Command::new(python(options)?);
        let rate = output(bytewax.arg(&script).args([BYTEWAX_SALES, batch]))?;
        println!("Bytewax, batches of {batch}: {} sales/s\n", rate.trim());
    }
    println!("### What supervision costs\n");
    println!("```\n{}```\n", output(&mut Command::new(options.program("examples/tell_ask")?))?);
    println!("### Kill to answering again\n");
    println!("{}", output(&mut Command::new(options.program("examples/restart_latency")?))?);
    Ok(())
}

/// The environment that `cargo xtask set-up bench` makes beside the built programs.
fn python(options: &Options) -> Result<PathBuf> {
    let target = options.program("..")?;
    let python = target.join("venv-bench/bin/python");
    if !python.exists() {
        bail!("no Python environment at {}: run `cargo xtask set-up bench`", python.display());
    }
    Ok(python)
}

/// What a program prints; its failure is this one's.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

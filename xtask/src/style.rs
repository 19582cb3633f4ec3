//! Applies the house rules to every Rust file of the workspace and prints what is wrong.
//! Does not correct anything; formatting is rustfmt's.

use anyhow::{Result, bail};

use crate::{rules, sources, workspace};

/// Prints every finding as `path:line: what`; fails if there is one.
pub fn check() -> Result<()> {
    let files = sources::read(&workspace::root()?)?;
    let mut count = 0;
    for source in &files {
        for finding in rules::findings(source) {
            println!("style: {}:{}: {}", source.path, finding.line, finding.what);
            count += 1;
        }
    }
    if count > 0 {
        bail!("{count} findings against the house style");
    }
    println!("style: {} files, nothing to complain of", files.len());
    Ok(())
}

//! Reads a password from the file that an option names.
//! Does not log or keep it.

use std::path::Path;

use anyhow::Context;

/// The file's content without the end of its line.
pub fn read(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read the password file `{}`", file.display()))?;
    let password = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!password.is_empty(), "the password file `{}` is empty", file.display());
    Ok(password.to_owned())
}

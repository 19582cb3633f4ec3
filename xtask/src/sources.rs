//! The workspace's Rust files, each with what the rules need to know: where it lies, what of it is test code.
//! Judges nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::masking::mask;

/// Folders that hold no source of ours.
const NOT_OURS: [&str; 4] = ["target", ".git", "data", "node_modules"];

/// One Rust file.
#[derive(Debug)]
pub struct Source {
    /// Relative to the workspace, with `/`.
    pub path: String,
    /// As it is.
    pub text: String,
    /// The same length without comments and string contents.
    pub masked: String,
    /// For each line: is it test code?
    test_lines: Vec<bool>,
}

impl Source {
    /// Takes a file's text; `is_test` when the whole file is test code.
    pub fn new(path: &str, text: &str, is_test: bool) -> Self {
        let masked = mask(text);
        let test_lines = if is_test { vec![true; text.lines().count()] } else { test_lines(&masked) };
        Self { path: path.to_owned(), text: text.to_owned(), masked, test_lines }
    }

    /// Number (from 1) and masked text of each line that is not test code.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.masked
            .lines()
            .enumerate()
            .filter(|(index, _)| !self.is_test_line(index + 1))
            .map(|(i, line)| (i + 1, line))
    }

    /// Whether line `number` (from 1) is test code.
    pub fn is_test_line(&self, number: usize) -> bool {
        self.test_lines.get(number - 1).copied().unwrap_or(false)
    }

    /// The original text of line `number` (from 1).
    pub fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.wrapping_sub(1)).unwrap_or("")
    }
}

/// Reads every Rust file below `root`.
pub fn read(root: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut texts = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let path = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        texts.push((path, text));
    }
    let test_modules = test_modules(&texts);
    Ok(texts.iter().map(|(path, text)| Source::new(path, text, is_test_file(path, &test_modules))).collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            collect(&path, files)?;
        } else if kind.is_file() && name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Tests, benches, examples, fuzz targets, and modules that only tests compile.
fn is_test_file(path: &str, test_modules: &BTreeSet<String>) -> bool {
    let folder = |name: &str| path.starts_with(&format!("{name}/")) || path.contains(&format!("/{name}/"));
    let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let below = |test: &String| module == test || module.starts_with(&format!("{test}/"));
    ["tests", "benches", "examples", "fuzz"].into_iter().any(folder) || test_modules.iter().any(below)
}

/// Paths (without `.rs`) of the modules declared as `#[cfg(test)] mod name;`.
fn test_modules(texts: &[(String, String)]) -> BTreeSet<String> {
    let declared = texts.iter().flat_map(|(path, text)| {
        let home = home_of_children(path);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let pairs: Vec<String> = lines.windows(2).filter_map(test_module).collect();
        pairs.into_iter().map(move |name| format!("{home}/{name}"))
    });
    declared.collect()
}

fn test_module(pair: &[&str]) -> Option<String> {
    let name = pair[1].trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("mod ")?;
    is_for_tests(pair[0]).then(|| name.strip_suffix(';').map(str::to_owned))?
}

/// `#[cfg(test)]`, or for tests and those who lend a room's fixtures.
fn is_for_tests(code: &str) -> bool {
    code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(any(test")
}

/// Where the modules lie that the file at `path` declares.
fn home_of_children(path: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

/// Marks everything below `#[cfg(test)]` up to the closing brace at the same indentation.
fn test_lines(masked: &str) -> Vec<bool> {
    let mut marks = Vec::new();
    let mut open: Option<usize> = None;
    let mut pending = false;
    for line in masked.lines() {
        let indent = line.len() - line.trim_start().len();
        let code = line.trim();
        if open.is_none() && is_for_tests(code) {
            pending = true;
        }
        marks.push(pending || open.is_some());
        if open == Some(indent) && code.starts_with('}') {
            open = None;
        } else if pending && code.ends_with('{') {
            (open, pending) = (Some(indent), false);
        } else if pending && code.ends_with(';') {
            pending = false;
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_module_at_the_end_is_test_code_and_what_follows_it_is_not() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        let source = Source::new("src/x.rs", text, false);
        let lines: Vec<usize> = source.code_lines().map(|(number, _)| number).collect();
        assert_eq!(lines, [1, 7]);
    }

    #[test]
    fn a_module_that_only_tests_compile_is_test_code_wherever_its_file_lies() {
        let texts = vec![("room/src/flow.rs".to_owned(), "#[cfg(test)]\nmod proofs;\n".to_owned())];
        let modules = test_modules(&texts);
        assert!(is_test_file("room/src/flow/proofs.rs", &modules));
        assert!(is_test_file("room/src/flow/proofs/deep.rs", &modules));
        assert!(!is_test_file("room/src/proofs.rs", &modules));
    }
}

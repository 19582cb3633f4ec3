//! Every PromQL expression under `monitoring/`, and the names of metrics and labels in it.
//! Evaluates nothing; `promtool` knows whether an expression is one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Metrics, with the labels by which they are selected.
    pub metrics: BTreeMap<String, BTreeSet<String>>,
}

/// Where the configuration of Prometheus, Grafana and the others lies.
pub fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring")
}

/// All expressions of rules and dashboards, each with its file.
pub fn expressions() -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for file in files_below(&monitoring()) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let found = match file.extension().and_then(|extension| extension.to_str()) {
            Some("json") => of_dashboard(&text),
            Some("yml" | "yaml") if file.parent().is_some_and(|folder| folder.ends_with("rules")) => of_rules(&text),
            _ => Vec::new(),
        };
        all.extend(found.into_iter().map(|expression| (file.clone(), expression)));
    }
    all
}

/// What rules record, so that nobody looks for a process that exports it.
pub fn recorded() -> BTreeSet<String> {
    let record = Regex::new(r"(?m)^\s*(?:- )?record:\s*(\S+)").unwrap();
    let files = files_below(&monitoring()).into_iter().filter(|file| file.extension().is_some_and(|e| e == "yml"));
    let texts: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap_or_default()).collect();
    texts.iter().flat_map(|text| record.captures_iter(text).map(|found| found[1].to_owned())).collect()
}

/// Names of metrics, each with the labels in its braces.
pub fn named(expression: &str) -> Named {
    let without_comments = Regex::new(r"(?m)#.*$").unwrap().replace_all(expression, "");
    let without_lists = Regex::new(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)").unwrap();
    let plain = without_lists.replace_all(&without_comments, " ");
    let plain = Regex::new(r"\[[^\]]*\]").unwrap().replace_all(&plain, " ");
    let word = Regex::new(
        r#"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{(?:[^}"]|"(?:[^"\\]|\\.)*")*\}|\()?|"(?:[^"\\]|\\.)*"|\$\w+|\$\{[^}]*\}|[0-9][\w.]*"#,
    );
    let label = Regex::new(r#"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*""#).unwrap();
    let mut named = Named::default();
    for found in word.unwrap().captures_iter(&plain) {
        let (Some(name), behind) = (found.get(1), found.get(2).map_or("", |behind| behind.as_str())) else { continue };
        if behind == "(" || KEYWORDS.contains(&name.as_str()) {
            continue;
        }
        let labels = label.captures_iter(behind).map(|label| label[1].to_owned());
        named.metrics.entry(name.as_str().to_owned()).or_default().extend(labels);
    }
    named
}

const KEYWORDS: [&str; 16] = [
    "and", "or", "unless", "bool", "offset", "inf", "nan", "Inf", "NaN", "sum", "avg", "max", "min", "count", "topk",
    "bottomk",
];

fn of_dashboard(text: &str) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            // Logs and traces are asked in other languages.
            Value::Object(map)
                if map
                    .get("datasource")
                    .is_some_and(|source| source["type"] == "loki" || source["type"] == "tempo") => {}
            Value::Object(map) => {
                for (key, inner) in map {
                    match inner {
                        Value::String(text) if key == "expr" => found.push(text.clone()),
                        inner => collect(inner, found),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|inner| collect(inner, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(text).unwrap_or_default(), &mut found);
    found
}

/// The text behind every `expr:`, on the same line or indented below.
fn of_rules(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut block: Option<usize> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if let Some(outer) = block {
            if line.trim().is_empty() || indent > outer {
                found.last_mut().expect("a block has begun").push_str(&format!("\n{line}"));
                continue;
            }
            block = None;
        }
        let Some(rest) = line.trim_start().trim_start_matches("- ").strip_prefix("expr:") else { continue };
        let rest = rest.trim();
        let is_block = rest.is_empty() || rest.starts_with(['|', '>']);
        found.push(if is_block { String::new() } else { rest.trim_matches(['\'']).to_owned() });
        block = Some(indent);
    }
    found
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut files: Vec<PathBuf> =
        paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

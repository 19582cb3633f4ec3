//! The house rules that clippy cannot see, each as a function from one source file to findings.
//! Does not read files and does not print.

use crate::sources::Source;

/// No file is longer than this.
const MAX_LINES: usize = 500;

/// Rooms in which money is counted.
const MONEY_ROOMS: [&str; 5] =
    ["domain/src/", "actors/window/src/", "actors/reporting/src/", "actors/validator/src/", "index/src/"];

/// Proper names that may open a sentence in capitals.
const NAMES: [&str; 7] = ["Solace", "Vault", "Prometheus", "Content-Type", "Retry-After", "Ctrl-C", "Authorization"];

/// What only tests may say, and why.
const ONLY_IN_TESTS: [(&str, &str); 2] = [
    (".unwrap()", "give the error to the caller, or `expect` with why it cannot happen"),
    ("eprintln!(", "log with tracing; only the command line prints, on stdout"),
];

/// What nobody may say, tests included, and why. Put together so that this file does not find itself.
const NOWHERE: [(&str, &str); 3] = [
    ("todo!(", "an unfinished body compiles and fails in the field"),
    ("unimplemented!(", "an unfinished body compiles and fails in the field"),
    ("#[ignore", "a test that nobody runs proves nothing: repair it or delete it"),
];

/// What the domain must not contain, and why.
const IMPURE: [(&str, &str); 8] = [
    ("async fn", "the domain has no async"),
    ("Utc::now", "time enters the domain as an argument"),
    ("Local::now", "time enters the domain as an argument"),
    ("SystemTime", "time enters the domain as an argument"),
    ("Instant", "time enters the domain as an argument"),
    ("std::fs", "the domain has no I/O"),
    ("std::net", "the domain has no I/O"),
    ("std::env", "settings enter the domain as an argument"),
];

/// Floats that are no money wherever they stand.
const NO_MONEY: [&str; 2] = ["as_secs_f64", "as_secs_f32"];

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    /// What and why.
    pub what: String,
}

/// Everything that is wrong with one file.
pub fn findings(source: &Source) -> Vec<Finding> {
    let mut found = file_rules(source);
    found.extend(banned(source));
    found.extend(floats(source));
    found.extend(sentences(source));
    found.sort_by_key(|finding| finding.line);
    found
}

fn file_rules(source: &Source) -> Vec<Finding> {
    let count = source.text.lines().count();
    let mut found = Vec::new();
    if count > MAX_LINES {
        found.push(Finding { line: 0, what: format!("has {count} lines, more than {MAX_LINES}: cut it by noun") });
    }
    let page = source.text.lines().find(|line| !line.starts_with("#!") && !line.trim().is_empty()).unwrap_or("");
    // A module of tests belongs to the file beside it, whose page says what it is for.
    if !page.starts_with("//!") && !source.path.ends_with("/tests.rs") {
        let what = "opens without a module page: say in two sentences what it is for and what it does not do";
        found.push(Finding { line: 1, what: what.to_owned() });
    }
    found
}

fn banned(source: &Source) -> Vec<Finding> {
    let code: Vec<(usize, &str)> = source.code_lines().collect();
    let all: Vec<(usize, &str)> = source.masked.lines().enumerate().map(|(index, line)| (index + 1, line)).collect();
    let mut found = matches(&code, &ONLY_IN_TESTS);
    found.extend(matches(&all, &NOWHERE));
    if source.path.starts_with("domain/src/") {
        found.extend(matches(&code, &IMPURE));
    }
    if source.path.starts_with("actors/") {
        let clock = [("std::time::Instant", "use tokio::time::Instant, which tests can pause")];
        found.extend(matches(&code, &clock));
    }
    found
}

fn matches(lines: &[(usize, &str)], words: &[(&str, &str)]) -> Vec<Finding> {
    let hits = lines.iter().flat_map(|(number, line)| {
        let said = words.iter().filter(|(word, _)| line.contains(word));
        said.map(|(word, why)| Finding { line: *number, what: format!("`{word}`: {why}") })
    });
    hits.collect()
}

/// Floats are refused where money is counted; metric values are exempt by file, anything else by a `// float:` reason.
fn floats(source: &Source) -> Vec<Finding> {
    if !MONEY_ROOMS.iter().any(|room| source.path.starts_with(room)) || source.path.ends_with("/metrics.rs") {
        return Vec::new();
    }
    let excused = |number: usize| [number, number - 1].iter().any(|line| source.line(*line).contains("// float: "));
    let hits = source.code_lines().filter(|(_, line)| has_word(line, "f32") || has_word(line, "f64"));
    let what =
        "a float where money is counted: use Money, or say on the line above with `// float: ` why it is no money";
    hits.filter(|(number, _)| !excused(*number)).map(|(line, _)| Finding { line, what: what.to_owned() }).collect()
}

fn has_word(line: &str, word: &str) -> bool {
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|part| !NO_MONEY.contains(part));
    words.any(|part| part == word || part.ends_with(&format!("_{word}")))
}

/// Log messages and error texts: lower case, no full stop.
fn sentences(source: &Source) -> Vec<Finding> {
    let macros = ["trace!(", "debug!(", "info!(", "warn!(", "error!(", "#[error("];
    let starts = macros.iter().flat_map(|name| source.masked.match_indices(name).map(|(at, _)| at + name.len()));
    let mut found = Vec::new();
    for start in starts {
        let Some((at, message)) = message_at(source, start) else { continue };
        let line = source.masked[..at].matches('\n').count() + 1;
        if source.is_test_line(line) {
            continue;
        }
        if let Some(what) = malformed(message) {
            found.push(Finding { line, what });
        }
    }
    found
}

/// The first string literal that is an argument of its own, not the value of a field.
fn message_at(source: &Source, start: usize) -> Option<(usize, &str)> {
    let bytes = source.masked.as_bytes();
    let (mut depth, mut at, mut before) = (1, start, b'(');
    while at < bytes.len() && depth > 0 {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b'"' => {
                let end = at + 1 + source.masked[at + 1..].find('"')?;
                if depth == 1 && matches!(before, b'(' | b',') {
                    return Some((at, &source.text[at + 1..end]));
                }
                at = end;
            }
            _ => {}
        }
        if !bytes[at].is_ascii_whitespace() {
            before = bytes[at];
        }
        at += 1;
    }
    None
}

fn malformed(message: &str) -> Option<String> {
    // `Method Not Allowed` is a title of HTTP's, which clients of the replaced system compare.
    let title = message.contains(' ') && message.split(' ').all(|word| word.starts_with(char::is_uppercase));
    let first_word = message.split_whitespace().next().unwrap_or("");
    let capital = first_word.chars().next().is_some_and(char::is_uppercase);
    let acronym = first_word.chars().nth(1).is_none_or(|second| !second.is_lowercase());
    if capital && !acronym && !title && !NAMES.iter().any(|name| first_word.starts_with(name)) {
        return Some(format!("message starts with a capital: \"{message}\""));
    }
    (message.ends_with('.') && !message.ends_with("..."))
        .then(|| format!("message ends with a full stop: \"{message}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        let page = format!("//! A page.\n{text}");
        findings(&Source::new(path, &page, false)).into_iter().map(|finding| finding.what).collect()
    }

    fn clean(path: &str, text: &str) -> bool {
        whats(path, text).is_empty()
    }

    #[test]
    fn a_file_of_501_lines_and_a_file_without_a_page_are_found() {
        assert!(whats("src/a.rs", &"\n".repeat(500))[0].contains("501 lines"));
        let bare = findings(&Source::new("src/a.rs", "fn f() {}\n", false));
        assert!(bare[0].what.contains("module page"));
        assert!(findings(&Source::new("src/a/tests.rs", "use super::*;\n", true)).is_empty());
    }

    #[test]
    fn an_unwrap_is_found_in_code_but_not_in_a_test_a_string_or_a_comment() {
        assert_eq!(whats("src/a.rs", "fn f() { x.unwrap(); }").len(), 1);
        assert!(clean("src/a.rs", "// x.unwrap()\nconst A: &str = \".unwrap()\";"));
        assert!(clean("src/a.rs", "#[cfg(test)]\nmod tests {\n    fn f() { x.unwrap(); }\n}"));
    }

    #[test]
    fn an_unfinished_body_and_an_ignored_test_are_found_even_in_tests() {
        let text = format!("#[cfg(test)]\nmod tests {{\n    {}ore]\n    fn f() {{ {}) }}\n}}", "#[ign", "todo!(");
        assert_eq!(whats("src/a.rs", &text).len(), 2);
    }

    #[test]
    fn floats_are_found_where_money_is_counted_unless_they_are_excused() {
        assert_eq!(whats("domain/src/money.rs", "fn f(x: f64) {}").len(), 1);
        assert_eq!(whats("actors/window/src/a.rs", "let x = 1_f32;").len(), 1);
        assert!(clean("actors/window/src/metrics.rs", "fn f(x: f64) {}"));
        assert!(clean("actors/window/src/a.rs", "// float: a ratio for a log line, no money\nlet x: f64 = 1.0;"));
        assert!(clean("actors/window/src/a.rs", "DELAY.observe(delay.as_secs_f64());"));
        assert!(clean("broker/src/a.rs", "fn f(x: f64) {}"));
    }

    #[test]
    fn a_clock_in_the_domain_is_found() {
        assert_eq!(whats("domain/src/rules.rs", "let now = Utc::now();").len(), 1);
        assert!(clean("actors/validator/src/a.rs", "let now = Utc::now();"));
    }

    #[test]
    fn a_clock_that_tests_cannot_pause_is_found_in_actors() {
        assert_eq!(whats("actors/window/src/a.rs", "use std::time::Instant;").len(), 1);
        assert!(clean("broker/src/a.rs", "use std::time::Instant;"));
    }

    #[test]
    fn log_messages_start_small_and_end_without_a_full_stop() {
        assert_eq!(whats("src/a.rs", "info!(store.id = %s, \"Late sale\");").len(), 1);
        assert_eq!(whats("src/a.rs", "warn!(\n    kind = \"Big.\",\n    \"late sale.\"\n);").len(), 1);
        assert_eq!(whats("src/a.rs", "#[error(\"No room.\")]\nstruct E;").len(), 1);
        assert!(clean("src/a.rs", "info!(kind = \"Big.\", f(\"Other.\"), \"late sale `{}` left out\", s);"));
        assert!(clean("src/a.rs", "error!(\"HTTP listener failed\"); warn!(\"Solace session is down\");"));
        assert!(clean("src/a.rs", "#[error(\"Method Not Allowed\")]\nstruct E;"));
        assert!(clean("src/a.rs", "#[error(transparent)]\nstruct E;"));
    }
}

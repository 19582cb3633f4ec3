//! What a refusing answer says, in the words in which a validator of this process would have said it.
//! Does not decide whether to try again.

use std::borrow::Cow;

use bytes::Bytes;
use reqwest::StatusCode;
use serde::Deserialize;
use tillstream_domain::{RULE_CODES, RuleError};

/// The code of a refusal that names no rule that we know.
const UNKNOWN_RULE: &str = "handover_refused";

/// The part of an RFC 9457 document that says which rules were broken.
#[derive(Debug, Deserialize)]
struct Problem {
    errors: Vec<ProblemEntry>,
}

#[derive(Debug, Deserialize)]
struct ProblemEntry {
    #[serde(default)]
    pointer: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
}

/// The broken rules; at least one, also when the answer is not what we know.
pub fn broken_rules(status: StatusCode, body: &Bytes) -> Vec<RuleError> {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    match problem.map(|problem| problem.errors) {
        Some(entries) if !entries.is_empty() => entries.into_iter().map(rule_error).collect(),
        _ => vec![whole_body(status)],
    }
}

fn rule_error(entry: ProblemEntry) -> RuleError {
    let known = RULE_CODES.iter().find(|code| **code == entry.code);
    RuleError {
        path: entry.pointer.trim_start_matches('/').replace('/', "."),
        pointer: entry.pointer,
        code: known.copied().unwrap_or(UNKNOWN_RULE),
        message: Cow::Owned(entry.detail),
    }
}

fn whole_body(status: StatusCode) -> RuleError {
    RuleError {
        path: String::new(),
        pointer: String::new(),
        code: UNKNOWN_RULE,
        message: Cow::Owned(format!("validation answered {status}")),
    }
}

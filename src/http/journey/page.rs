//! The journey as a page for a browser: no script, nothing from elsewhere, every value escaped.
//! Shows what the JSON says and no more.

use std::fmt::Write;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};

use super::answer::{EvidenceAnswer, JourneyAnswer, KindAnswer, StateAnswer, StepAnswer, ToldAnswer, WhatAnswer};
use crate::http::errors::ApiError;

/// The only style; [`POLICY`] names its hash, so that a browser applies no other.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.4rem;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%}\
caption{text-align:left;font-weight:bold;padding:.5rem 0}\
th,td{border-bottom:1px solid #8888;padding:.3rem 1rem .3rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
.state{font-size:1.2rem;font-weight:bold}";

/// Nothing is loaded, sent or framed; the style is the one above.
const POLICY: &str = "default-src 'none'; style-src 'sha256-NrZC5xE2uxJBK5p4zTcd5NaAxA1N+GdGLZ9N+XO0fNA='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page that may still change asks again.
const REFRESH: &str = "<meta http-equiv=\"refresh\" content=\"5\">";

/// The page of a sale that is known.
pub fn of(answer: &JourneyAnswer) -> HttpResponse {
    let JourneyAnswer { transaction_id, store_id, amount, currency, state, steps } = answer;
    let (word, meaning) = state.words();
    let mut body = format!(
        "<p class=\"state\">{word}</p><p>{meaning}</p><p>{} {} in {}</p>",
        amount.0,
        escaped(currency),
        escaped(store_id)
    );
    body.push_str("<table><caption>Its way</caption><tr><th>Step</th><th>When</th><th>What</th><th>Known by</th></tr>");
    steps.iter().for_each(|step| row(&mut body, step));
    body.push_str(
        "</table><p>Times are UTC. Observed: a message said so. Inferred: it follows from what messages said.</p>",
    );
    let head = if state.may_change() { REFRESH } else { "" };
    page(HttpResponse::Ok(), head, &format!("Transaction {}", escaped(transaction_id)), &body)
}

/// The page that says why there is nothing to show.
pub fn refused(error: &ApiError) -> HttpResponse {
    let reason = match error {
        ApiError::Invalid { errors, .. } => errors.iter().map(|error| error.message.to_string()).collect(),
        other => other.to_string(),
    };
    let title = match error {
        ApiError::Invalid { .. } => "Not a transaction id",
        _ => "No such transaction",
    };
    page(HttpResponse::build(error.status_code()), "", title, &format!("<p>{}</p>", escaped(&reason)))
}

/// `head`, `title` and `body` are HTML.
fn page(mut response: HttpResponseBuilder, head: &str, title: &str, body: &str) -> HttpResponse {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         {head}<title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
    );
    response
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((VARY, "Accept"))
        .body(html)
}

fn row(out: &mut String, step: &StepAnswer) {
    let (name, details) = describe(&step.what);
    let at = step.at.as_deref().unwrap_or("-");
    let evidence = match step.evidence {
        EvidenceAnswer::Observed => "observed",
        EvidenceAnswer::Inferred => "inferred",
    };
    let cells = [name, at, &details, &format!("{evidence}: {}", step.source)].map(escaped);
    let [name, at, details, known] = &cells;
    let row = write!(out, "<tr><td>{name}</td><td>{at}</td><td>{details}</td><td>{known}</td></tr>");
    row.expect("memory takes all text");
}

fn describe(what: &WhatAnswer) -> (&'static str, String) {
    match what {
        WhatAnswer::Received { till_timestamp, trace_id, .. } => {
            let trace = trace_id.as_ref().map(|trace| format!(", trace {trace}")).unwrap_or_default();
            ("received", format!("the till's clock said {till_timestamp}{trace}"))
        }
        WhatAnswer::Corrected { field, sent, recorded } => {
            ("corrected", format!("{field} from {} to {}", sent.0, recorded.0))
        }
        WhatAnswer::Published { topic_kind: "failed", topic, queue, .. } => {
            ("published", format!("{topic}, brought by {queue}; the till heard that the payment failed"))
        }
        WhatAnswer::Published { topic, queue, deliveries, .. } => {
            ("published", format!("{topic}, delivered {deliveries} times by {queue}"))
        }
        WhatAnswer::Window { window_start, window_end, told } => {
            let told = told.as_ref().map_or_else(|| "nothing told yet".to_owned(), sum);
            ("window", format!("{window_start} to {window_end}: {told}"))
        }
        WhatAnswer::Aggregate { kind, told } => ("aggregate", format!("{}: {}", kind.word(), sum(told))),
        WhatAnswer::Late => ("late", "the window was final; it counts in late_amount".to_owned()),
        WhatAnswer::PaymentFailed => ("payment_failed", "recorded, no turnover".to_owned()),
        WhatAnswer::Rejected { store_id, amount, detail, times, .. } => {
            let refused = format!("another sale of {store_id} over {} was refused: {detail}", amount.0);
            ("rejected", if *times > 1 { format!("{refused} (the last of {times})") } else { refused })
        }
    }
}

fn sum(told: &ToldAnswer) -> String {
    let ToldAnswer { event_id, transaction_count, total_amount, r#final } = told;
    let revision = if *r#final { "final" } else { "not final" };
    format!("{} in {transaction_count} sales, {revision}, event {event_id}", total_amount.0)
}

impl StateAnswer {
    /// Its name and what it means.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Accepted => ("accepted", "The broker has it; more cannot be said at this moment."),
            Self::InOpenWindow => ("in_open_window", "Its window still takes sales; no event needs to count it yet."),
            Self::InWindow => ("in_window", "The newest event of its window counts it; the window still takes sales."),
            Self::InFinalWindow => ("in_final_window", "Counted in a window that changes no more."),
            Self::Late => ("late", "It came when its window was final, and is counted as late of it."),
            Self::PaymentFailed => ("payment_failed", "The payment failed: recorded, no turnover."),
            Self::Rejected => ("rejected", "Refused: its id belongs to another sale."),
        }
    }

    const fn may_change(self) -> bool {
        matches!(self, Self::Accepted | Self::InOpenWindow | Self::InWindow)
    }
}

impl KindAnswer {
    const fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Update => "update",
            Self::Final => "final",
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;

    #[test]
    fn the_policy_names_the_style_and_no_other() {
        let hash = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(hash);
        assert!(POLICY.contains(&format!("style-src 'sha256-{hash}';")), "write {hash}");
    }

    #[test]
    fn what_comes_from_outside_is_text_on_the_page() {
        assert_eq!(escaped(r#"<b a="1" c='&'>"#), "&lt;b a=&quot;1&quot; c=&#39;&amp;&#39;&gt;");
    }
}

//! Reads `Accept`, `Content-Type`, `Content-Encoding` and `Prefer`.
//! Does not render anything.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};

/// How a client wants to be told what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorShape {
    /// The service's own JSON.
    Plain,
    /// RFC 9457.
    Problem,
}

/// How a client wants rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// One array.
    Json,
    /// One line per row, with a heading.
    Csv,
    /// One JSON object per line.
    NdJson,
}

impl RowFormat {
    /// The media type that it is served as.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::NdJson => "application/x-ndjson",
        }
    }
}

/// A problem document only for those who name it.
pub fn error_shape(request: &HttpRequest) -> ErrorShape {
    let wants_problem = accepted(request.headers())
        .any(|(kind, weight)| weight > 0 && kind.eq_ignore_ascii_case("application/problem+json"));
    if wants_problem { ErrorShape::Problem } else { ErrorShape::Plain }
}

/// The offered format with the greatest weight; JSON for everything else.
pub fn row_format(request: &HttpRequest) -> RowFormat {
    let mut best = (RowFormat::Json, 0);
    for (kind, weight) in accepted(request.headers()) {
        let Some(format) = format_of(kind) else { continue };
        if weight > best.1 {
            best = (format, weight);
        }
    }
    best.0
}

/// Whether OpenMetrics is named, and wanted no less than the plain text that every scraper understands.
pub fn wants_openmetrics(request: &HttpRequest) -> bool {
    let weight = |wanted: &str| {
        let named = accepted(request.headers()).filter(|(kind, _)| kind.eq_ignore_ascii_case(wanted));
        named.map(|(_, weight)| weight).max().unwrap_or(0)
    };
    let openmetrics = weight(super::openmetrics::MEDIA_TYPE);
    openmetrics > 0 && openmetrics >= weight("text/plain")
}

/// Whether a page is wanted more than JSON is: browsers say so, programs that take anything do not.
pub fn prefers_a_page(request: &HttpRequest) -> bool {
    let mut weights = (0, 0);
    for (kind, weight) in accepted(request.headers()) {
        match kind.to_ascii_lowercase().as_str() {
            "text/html" => weights.0 = weight.max(weights.0),
            "application/json" | "application/problem+json" | "application/*" | "*/*" => {
                weights.1 = weight.max(weights.1);
            }
            _ => {}
        }
    }
    weights.0 > weights.1
}

/// Whether the body may be read as JSON: the original takes bodies without a type, and so do we.
pub fn is_json_or_unspecified(request: &HttpRequest) -> bool {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else { return true };
    let Ok(text) = value.to_str() else { return false };
    let kind = text.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || is_json_suffix(kind)
}

/// Whether the body is what it says, not compressed: a small one could unfold beyond every bound.
pub fn is_plain(request: &HttpRequest) -> bool {
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING);
    encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the client prefers an answer at once to a complete one (RFC 7240).
pub fn wants_no_waiting(request: &HttpRequest) -> bool {
    let texts = request.headers().get_all("prefer").filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split([',', ';']))
        .any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}

fn is_json_suffix(kind: &str) -> bool {
    let kind = kind.as_bytes();
    let starts = kind.len() > 12 && kind[..12].eq_ignore_ascii_case(b"application/");
    starts && kind[kind.len() - 5..].eq_ignore_ascii_case(b"+json")
}

fn format_of(kind: &str) -> Option<RowFormat> {
    match kind.to_ascii_lowercase().as_str() {
        "text/csv" => Some(RowFormat::Csv),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(RowFormat::NdJson),
        "application/json" | "application/*" | "*/*" => Some(RowFormat::Json),
        _ => None,
    }
}

/// Media ranges with their weight in thousandths.
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = (&str, u16)> {
    let texts = headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        (kind, quality.map_or(1000, thousandths))
    })
}

/// `0.25` is 250; what cannot be read weighs nothing.
fn thousandths(quality: &str) -> u16 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let padded = format!("{fraction:0<3}");
    match (whole.parse::<u16>(), padded.get(..3).map(str::parse::<u16>)) {
        (Ok(whole), Some(Ok(fraction))) => (whole.min(1) * 1000 + fraction).min(1000),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn format_for_test(accept: &str) -> RowFormat {
        row_format(&TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request())
    }

    #[test]
    fn the_greatest_weight_wins_and_a_browser_gets_json() {
        assert_eq!(format_for_test("text/csv"), RowFormat::Csv);
        assert_eq!(format_for_test("text/csv;q=0.5, application/x-ndjson;q=0.9"), RowFormat::NdJson);
        assert_eq!(format_for_test("text/csv;q=0.1, application/json"), RowFormat::Json);
        assert_eq!(format_for_test("text/html, */*;q=0.8"), RowFormat::Json);
        assert_eq!(format_for_test("image/png"), RowFormat::Json);
        assert_eq!(format_for_test("text/csv;q=0"), RowFormat::Json);
    }

    #[test]
    fn openmetrics_is_for_those_who_name_it_and_do_not_prefer_the_plain_text() {
        let wants = |accept: &str| {
            wants_openmetrics(&TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request())
        };
        assert!(wants(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        ));
        assert!(wants("application/openmetrics-text"));
        assert!(!wants("text/plain;version=0.0.4, application/openmetrics-text;q=0.3"));
        assert!(!wants("application/openmetrics-text;q=0"));
        assert!(!wants("*/*"));
    }

    #[test]
    fn a_browser_prefers_a_page_and_a_program_does_not() {
        let page = |accept: &str| {
            prefers_a_page(&TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request())
        };
        assert!(page("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"));
        assert!(page("Text/HTML"));
        assert!(!prefers_a_page(&TestRequest::default().to_http_request()));
        for program in
            ["*/*", "application/json", "application/json, text/html", "text/html;q=0.5, */*", "text/html;q=0"]
        {
            assert!(!page(program), "{program}");
        }
    }

    #[test]
    fn a_problem_document_is_for_those_who_name_it_and_do_not_rule_it_out() {
        let shape = |accept: &str| {
            error_shape(&TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request())
        };
        assert_eq!(shape("text/html, application/problem+json;q=0.1"), ErrorShape::Problem);
        assert_eq!(shape("application/problem+json;q=0"), ErrorShape::Plain);
        assert_eq!(shape("*/*"), ErrorShape::Plain);
    }

    #[test]
    fn a_body_without_a_type_is_read_as_json_and_other_types_are_not() {
        let reads = |kind: Option<&str>| {
            let request = TestRequest::default();
            let request = match kind {
                Some(kind) => request.insert_header((header::CONTENT_TYPE, kind)),
                None => request,
            };
            is_json_or_unspecified(&request.to_http_request())
        };
        assert!(reads(None));
        assert!(reads(Some("application/json")));
        assert!(reads(Some("Application/JSON; charset=utf-8")));
        assert!(reads(Some("application/vnd.till+json")));
        assert!(!reads(Some("text/plain")));
        assert!(!reads(Some("application/xml")));
        assert!(!reads(Some("")));
    }

    #[test]
    fn whoever_does_not_want_to_wait_says_so() {
        let wants =
            |value: &str| wants_no_waiting(&TestRequest::default().insert_header(("prefer", value)).to_http_request());
        assert!(wants("respond-async"));
        assert!(wants("wait=10, Respond-Async"));
        assert!(!wants("respond-async-never") && !wants(""));
        assert!(!wants_no_waiting(&TestRequest::default().to_http_request()));
    }

    #[test]
    fn a_compressed_body_is_not_plain() {
        let request = |encoding: &str| TestRequest::default().insert_header((header::CONTENT_ENCODING, encoding));
        assert!(is_plain(&TestRequest::default().to_http_request()));
        assert!(is_plain(&request("Identity").to_http_request()));
        assert!(!is_plain(&request("gzip").to_http_request()));
        assert!(!is_plain(&request("identity, br").to_http_request()));
    }

    #[test]
    fn no_weight_is_read_as_more_than_one() {
        assert_eq!(thousandths("1"), 1000);
        assert_eq!(thousandths("0.25"), 250);
        assert_eq!(thousandths("7.999"), 1000);
        assert_eq!(thousandths("high"), 0);
        assert_eq!(thousandths("0.é"), 0);
    }
}

//! Reads the query string of `/stores`; every mistake is named, all at once.
//! Does not guess: an unknown or repeated parameter is a mistake too.

use actix_web::HttpRequest;
use actix_web::web::Query;
use tillstream_domain::RuleError;
use tillstream_messages::Pick;

use crate::http::errors::ApiError;
use crate::http::negotiate::error_shape;

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;
/// As long as an identifier may be.
const MAX_SEARCH: usize = 48;
/// Parameters that are looked at.
const MAX_PARAMETERS: usize = 32;

/// Reads the parameters.
///
/// # Errors
/// 422 with every mistake.
pub fn parse(request: &HttpRequest) -> Result<Pick, ApiError> {
    let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string()).map(Query::into_inner);
    let pairs = pairs.ok().filter(|pairs| pairs.len() <= MAX_PARAMETERS);
    let unreadable = || vec![mistake("query", "query_invalid", "cannot be read, or has too many parameters")];
    let read = pairs.ok_or_else(unreadable).and_then(|pairs| read(&pairs));
    read.map_err(|errors| ApiError::Invalid { what: "query", errors, shape: error_shape(request) })
}

fn read(pairs: &[(String, String)]) -> Result<Pick, Vec<RuleError>> {
    let (mut search, mut limit, mut errors) = (String::new(), DEFAULT_LIMIT, Vec::new());
    for (at, (name, value)) in pairs.iter().enumerate() {
        let is_repeated = pairs[..at].iter().any(|(seen, _)| seen == name);
        match (name.as_str(), value.parse()) {
            _ if is_repeated => errors.push(mistake(name, "query_repeated", "is given more than once")),
            ("search", _) if value.chars().count() <= MAX_SEARCH => search.clone_from(value),
            ("search", _) => errors.push(mistake(name, "text_too_long", "must have at most 48 characters")),
            ("limit", Ok(wanted @ 1..=MAX_LIMIT)) => limit = wanted,
            ("limit", _) => errors.push(mistake(name, "limit_invalid", "must be a whole number from 1 to 100")),
            _ => errors.push(mistake(name, "query_unknown", "is not one of search, limit")),
        }
    }
    if errors.is_empty() { Ok(Pick::Matching { text: search, limit }) } else { Err(errors) }
}

fn mistake(name: &str, code: &'static str, message: &'static str) -> RuleError {
    // A name is the client's text: no more than a short piece of it comes back.
    let path: String = name.chars().take(32).collect();
    RuleError { pointer: format!("/{path}"), path, code, message: message.into() }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn parse_for_test(query: &str) -> Result<Pick, Vec<String>> {
        let request = TestRequest::with_uri(&format!("/api/v1/stores?{query}")).to_http_request();
        parse(&request).map_err(|error| match error {
            ApiError::Invalid { errors, .. } => errors.into_iter().map(|error| error.path).collect(),
            other => panic!("unexpected {other}"),
        })
    }

    #[test]
    fn both_parameters_are_read_and_none_is_needed() {
        let pick = |text: &str, limit| Ok(Pick::Matching { text: text.to_owned(), limit });
        assert_eq!(parse_for_test(""), pick("", DEFAULT_LIMIT));
        assert_eq!(parse_for_test("limit=100&search=store_3"), pick("store_3", MAX_LIMIT));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let query = format!("limit=0&search={}&store=1&limit=5", "x".repeat(49));
        assert_eq!(parse_for_test(&query).unwrap_err(), ["limit", "search", "store", "limit"]);
        assert_eq!(parse_for_test(&"a=1&".repeat(40)).unwrap_err(), ["query"]);
    }
}

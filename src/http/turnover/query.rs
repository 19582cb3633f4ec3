//! Reads the query string of `/turnover`; every mistake is named, all at once.
//! Does not guess: an unknown or repeated parameter is a mistake too.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::web::Query;
use tillstream_domain::{RuleError, StoreId, parse_rfc3339};
use tillstream_messages::QueryTurnover;

use crate::http::errors::ApiError;
use crate::http::negotiate::error_shape;

/// Rows when no limit is given.
pub const DEFAULT_LIMIT: usize = 1_000;
/// Most rows of one answer.
pub const MAX_LIMIT: usize = 1_000_000;
/// Parameters that are looked at; thousands would cost time and come back as thousands of mistakes.
const MAX_PARAMETERS: usize = 32;

/// Reads the parameters.
///
/// # Errors
/// 422 with every mistake.
pub fn parse(request: &HttpRequest) -> Result<QueryTurnover, ApiError> {
    let mut reading = Reading::default();
    match Query::<Vec<(String, String)>>::from_query(request.query_string()) {
        Ok(pairs) if pairs.len() > MAX_PARAMETERS => {
            reading.refuse("query", "query_invalid", "has too many parameters")
        }
        Ok(pairs) => pairs.iter().for_each(|(name, value)| reading.take(name, value)),
        Err(_) => reading.refuse("query", "query_invalid", "cannot be read as a query string"),
    }
    if reading.errors.is_empty() {
        return Ok(reading.query);
    }
    Err(ApiError::Invalid { what: "query", errors: reading.errors, shape: error_shape(request) })
}

struct Reading {
    query: QueryTurnover,
    seen: Vec<String>,
    errors: Vec<RuleError>,
}

impl Default for Reading {
    fn default() -> Self {
        let query = QueryTurnover { limit: DEFAULT_LIMIT, ..QueryTurnover::default() };
        Self { query, seen: Vec::new(), errors: Vec::new() }
    }
}

impl Reading {
    fn take(&mut self, name: &str, value: &str) {
        if self.seen.iter().any(|seen| seen == name) {
            return self.refuse(name, "query_repeated", "is given more than once");
        }
        self.seen.push(name.to_owned());
        match name {
            "store_id" => match value.parse::<StoreId>() {
                Ok(store) => self.query.store = Some(store),
                Err(error) => self.refuse(name, "store_invalid", error.to_string()),
            },
            "from" => self.query.from = self.time(name, value),
            "to" => self.query.to = self.time(name, value),
            "limit" => match value.parse() {
                Ok(limit @ 1..=MAX_LIMIT) => self.query.limit = limit,
                _ => self.refuse(name, "limit_invalid", format!("must be a whole number from 1 to {MAX_LIMIT}")),
            },
            _ => self.refuse(name, "query_unknown", "is not one of store_id, from, to, limit"),
        }
    }

    fn time(&mut self, name: &str, value: &str) -> Option<chrono::DateTime<chrono::Utc>> {
        let time = parse_rfc3339(value);
        if time.is_none() {
            let message = "must be RFC 3339 with an offset, such as 2026-01-31T12:00:00Z (write `+` as `%2B`)";
            self.refuse(name, "timestamp_invalid", message);
        }
        time
    }

    fn refuse(&mut self, name: &str, code: &'static str, message: impl Into<Cow<'static, str>>) {
        // A name is the client's text: no more than a short piece of it comes back.
        let path: String = name.chars().take(32).collect();
        self.errors.push(RuleError { pointer: format!("/{path}"), path, code, message: message.into() });
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn parse_for_test(query: &str) -> Result<QueryTurnover, Vec<String>> {
        let request = TestRequest::with_uri(&format!("/api/v1/pos/turnover?{query}")).to_http_request();
        parse(&request).map_err(|error| match error {
            ApiError::Invalid { errors, .. } => errors.into_iter().map(|error| error.path).collect(),
            other => panic!("unexpected {other}"),
        })
    }

    #[test]
    fn all_parameters_are_read_and_none_is_needed() {
        assert_eq!(parse_for_test("").unwrap().limit, DEFAULT_LIMIT);
        let query = "store_id=STORE_03&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00%2B01:00&limit=1000000";
        let query = parse_for_test(query).unwrap();
        assert_eq!(query.store.unwrap().number(), 3);
        assert_eq!(query.to.unwrap().to_rfc3339(), "2026-01-01T23:00:00+00:00");
        assert_eq!(query.limit, MAX_LIMIT);
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let paths = parse_for_test("store_id=x&from=yesterday&to=&limit=0&store=1&limit=5").unwrap_err();
        assert_eq!(paths, ["store_id", "from", "to", "limit", "store", "limit"]);
    }

    #[test]
    fn thousands_of_parameters_are_one_mistake() {
        let query = (0..5_000).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(parse_for_test(&query).unwrap_err(), ["query"]);
    }

    #[test]
    fn a_limit_above_the_maximum_or_with_a_sign_is_refused() {
        assert!(parse_for_test("limit=1000001").is_err());
        assert!(parse_for_test("limit=-1").is_err());
        assert!(parse_for_test("limit=1e3").is_err());
    }
}

//! Every answer that is not a success, as JSON, in one place.
//! Does not decide when to refuse; handlers do.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};
use tillstream_domain::RuleError;
use tillstream_messages::{AggregateRefused, PublishError, QueryError, SaleRefused};
use tillstream_supervision::AskError;

use super::negotiate::ErrorShape;
use crate::roles::Role;

/// Seconds that an overloaded or restarting service asks a client to wait.
const RETRY_AFTER_SECONDS: &str = "1";

/// Challenges to log in, as RFC 7617 and RFC 6750 have them.
const BASIC: &str = "Basic realm=\"tillstream\", charset=\"UTF-8\"";
const BEARER: &str = "Bearer realm=\"tillstream\"";
const BEARER_INVALID: &str = "Bearer realm=\"tillstream\", error=\"invalid_token\"";

/// A refusal as HTTP says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No or wrong credentials.
    #[error("{0}")]
    Unauthorized(&'static str, Challenge),
    /// Known user, wrong role.
    #[error("the role of this user may not do this")]
    Forbidden,
    /// A browser says that a page of somebody else wants it.
    #[error("a page of another site may change nothing here")]
    CrossSite,
    /// Guessed too often; after so many seconds again.
    #[error("too many failed logins: try again later")]
    TooManyFailures(u64),
    /// More than one user may have at once; try again later.
    #[error("{0}")]
    TooMany(String),
    /// The secrets could not be confirmed for too long.
    #[error(
        "the secrets are older than `secrets.max_age` and nobody is let in: see the leg `secrets` of /health/ready"
    )]
    SecretsTooOld,
    /// This process lets nobody break it.
    #[error("faults are off in this process: set `faults.enabled = true` to allow them")]
    FaultsDisabled,
    /// No such path.
    #[error("Not Found")]
    NotFound,
    /// The path exists, but not what it names.
    #[error("{0}")]
    Unknown(String),
    /// Not while something else holds.
    #[error("{0}")]
    Conflict(String),
    /// The path exists in a process that plays the role.
    #[error("this route belongs to role `{0}`, which does not run in this process")]
    RoleAbsent(Role),
    /// The path takes only the methods named.
    #[error("Method Not Allowed")]
    MethodNotAllowed(&'static str),
    /// The client sends its body too slowly.
    #[error("the body did not arrive in time")]
    BodyTimeout,
    /// The connection broke or the framing is wrong.
    #[error("the body could not be read")]
    BodyBroken,
    /// Larger than `http.max_body`.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// Neither JSON nor unspecified, or compressed.
    #[error("the body must be sent as application/json and not compressed")]
    UnsupportedMediaType,
    /// The input breaks these rules.
    #[error("the input breaks {} rules", .errors.len())]
    Invalid {
        /// What was looked at: `request body`, `query` or `path`.
        what: &'static str,
        /// All of them at once.
        errors: Vec<RuleError>,
        /// How the client wants them.
        shape: ErrorShape,
    },
    /// Try again soon with the same content.
    #[error("{0}")]
    Unavailable(String),
}

/// How a client is told to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// By a password.
    Basic,
    /// By a password or a token.
    BasicOrBearer,
    /// The same, after a token that does not hold.
    InvalidToken,
}

impl ApiError {
    /// A validator's refusal.
    pub fn from_sale_refused(refused: SaleRefused, shape: ErrorShape) -> Self {
        match refused {
            SaleRefused::Invalid(errors) => Self::invalid_body(errors, shape),
            SaleRefused::ClockSuspect => Self::Unavailable(refused.to_string()),
            SaleRefused::Unavailable(error) => Self::from_publish(error, shape),
        }
    }

    /// A validator's refusal of an aggregate.
    pub fn from_aggregate_refused(refused: AggregateRefused, shape: ErrorShape) -> Self {
        match refused {
            AggregateRefused::Invalid(errors) => Self::invalid_body(errors, shape),
            AggregateRefused::Unavailable(error) => Self::from_publish(error, shape),
        }
    }

    /// A body that breaks rules.
    pub const fn invalid_body(errors: Vec<RuleError>, shape: ErrorShape) -> Self {
        Self::Invalid { what: "request body", errors, shape }
    }

    fn from_publish(error: PublishError, shape: ErrorShape) -> Self {
        let PublishError::TooLarge = error else {
            return Self::Unavailable(error.to_string());
        };
        let whole_body = RuleError {
            path: String::new(),
            pointer: String::new(),
            code: "message_too_large",
            message: "The transaction is larger than the broker takes".into(),
        };
        Self::invalid_body(vec![whole_body], shape)
    }

    fn body(&self) -> (&'static str, Value) {
        match self {
            Self::Invalid { what, errors, shape: ErrorShape::Plain } => ("application/json", plain(what, errors)),
            Self::Invalid { what, errors, shape: ErrorShape::Problem } => {
                ("application/problem+json", problem(what, errors))
            }
            other => ("application/json", json!({ "detail": other.to_string() })),
        }
    }

    fn headers(&self) -> Vec<(header::HeaderName, HeaderValue)> {
        let fixed = |name, value| vec![(name, HeaderValue::from_static(value))];
        match self {
            Self::Unauthorized(_, challenge) => challenge.headers(),
            Self::MethodNotAllowed(allowed) => fixed(header::ALLOW, allowed),
            Self::Unavailable(_) | Self::TooMany(_) | Self::SecretsTooOld => {
                fixed(header::RETRY_AFTER, RETRY_AFTER_SECONDS)
            }
            Self::TooManyFailures(seconds) => vec![(header::RETRY_AFTER, (*seconds).into())],
            _ => Vec::new(),
        }
    }
}

impl Challenge {
    fn headers(self) -> Vec<(header::HeaderName, HeaderValue)> {
        let schemes: &[&'static str] = match self {
            Self::Basic => &[BASIC],
            Self::BasicOrBearer => &[BASIC, BEARER],
            Self::InvalidToken => &[BASIC, BEARER_INVALID],
        };
        schemes.iter().map(|scheme| (header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme))).collect()
    }
}

impl From<AskError> for ApiError {
    /// Whatever became of the question, asking again is safe: ids make it so.
    fn from(error: AskError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unauthorized(..) => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::CrossSite | Self::FaultsDisabled => StatusCode::FORBIDDEN,
            Self::NotFound | Self::Unknown(_) | Self::RoleAbsent(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyFailures(_) | Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) | Self::SecretsTooOld => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let (content_type, body) = self.body();
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(content_type);
        for header in self.headers() {
            response.append_header(header);
        }
        response.body(body.to_string())
    }
}

/// The original's shape, with full paths instead of the last element only.
fn plain(what: &str, errors: &[RuleError]) -> Value {
    json!({ "status": "error", "message": headline(what), "errors": errors.iter().map(sentence).collect::<Vec<_>>() })
}

/// RFC 9457 with one entry per broken rule.
fn problem(what: &str, errors: &[RuleError]) -> Value {
    let entries: Vec<_> = errors
        .iter()
        .map(|error| json!({ "pointer": error.pointer, "code": error.code, "detail": error.message }))
        .collect();
    json!({ "type": "about:blank", "title": "Unprocessable Content", "status": 422, "detail": headline(what), "errors": entries })
}

fn headline(what: &str) -> String {
    format!("Validation failed for the {what}")
}

fn sentence(error: &RuleError) -> String {
    let field = if error.path.is_empty() { "body" } else { &error.path };
    format!("Field '{field}' validation failed: {}", error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_for_test() -> RuleError {
        RuleError {
            path: "items[0].quantity".to_owned(),
            pointer: "/items/0/quantity".to_owned(),
            code: "not_positive",
            message: "must be positive".into(),
        }
    }

    #[test]
    fn a_broken_rule_is_one_sentence_with_its_path() {
        let (content_type, body) = ApiError::invalid_body(vec![error_for_test()], ErrorShape::Plain).body();
        assert_eq!(content_type, "application/json");
        assert_eq!(body["errors"][0], "Field 'items[0].quantity' validation failed: must be positive");
        assert_eq!(body["message"], "Validation failed for the request body");
    }

    #[test]
    fn a_problem_document_names_pointer_and_code() {
        let (content_type, body) = ApiError::invalid_body(vec![error_for_test()], ErrorShape::Problem).body();
        assert_eq!(content_type, "application/problem+json");
        assert_eq!(body["status"], 422);
        assert_eq!(body["errors"][0]["pointer"], "/items/0/quantity");
        assert_eq!(body["errors"][0]["code"], "not_positive");
    }

    #[test]
    fn every_way_of_not_publishing_asks_the_till_to_come_back() {
        let refusals = [
            PublishError::Down("gone".to_owned()),
            PublishError::Overloaded,
            PublishError::Refused { queue: "q".to_owned(), reason: "full".to_owned() },
            PublishError::NoSubscriber("t".to_owned()),
            PublishError::Storage("disk full".to_owned()),
        ];
        for refusal in refusals {
            let response = ApiError::from_sale_refused(refusal.into(), ErrorShape::Plain).error_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
        }
    }

    #[test]
    fn a_message_that_no_broker_takes_is_the_senders_fault() {
        let refused = SaleRefused::Unavailable(PublishError::TooLarge);
        let response = ApiError::from_sale_refused(refused, ErrorShape::Plain).error_response();
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
}

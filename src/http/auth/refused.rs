//! Why a request does not pass: what the client is told, and what the audit log and the metric say.
//! The client is told less: nothing that it hears tells a user that exists from one that does not.

use std::time::Duration;

use actix_web::HttpRequest;
use tillstream_logins::Refusal;

use super::{Gate, now};
use crate::http::errors::{ApiError, Challenge};
use crate::http::{metrics, trace};

/// Somebody who does not pass.
#[derive(Debug)]
pub struct Refused {
    /// As whom, where that was said or proven.
    user: Option<String>,
    why: Why,
    /// Whose pause that has begun.
    begun: Option<&'static str>,
}

/// Why not.
#[derive(Debug)]
pub enum Why {
    /// Nobody in particular.
    NoCredentials,
    /// An `Authorization` that is none.
    Unreadable,
    /// Longer than any credentials.
    TooLong,
    /// There is no such user.
    UnknownUser,
    /// There is.
    WrongPassword,
    /// A token that proves nothing.
    Token,
    /// A token that gives no right.
    TokenWithoutRole,
    /// A token that nobody can judge now.
    TokenNotJudged(String),
    /// A page of somebody else makes a browser do it.
    CrossSite,
    /// Another role's business.
    Role,
    /// Nobody's business here.
    FaultsDisabled,
    /// User and address, or what is wrong from this address, for this long.
    TooManyFailures(Duration),
    /// Nobody knows whether the users are still users.
    SecretsTooOld,
}

// === impl Why ===

impl Why {
    /// Every label of the metric.
    pub const LABELS: [&str; 11] = [
        "no_credentials",
        "unreadable",
        "credentials",
        "token",
        "token_without_role",
        "token_not_judged",
        "cross_site",
        "role",
        "faults_disabled",
        "too_many_failures",
        "secrets_too_old",
    ];

    /// The same, of this user.
    pub fn of(self, user: &str) -> Refused {
        Refused { user: Some(user.to_owned()), why: self, begun: None }
    }

    /// For the audit log.
    const fn reason(&self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::Unreadable => "unreadable",
            Self::TooLong => "too_long",
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::Token => "token",
            Self::TokenWithoutRole => "token_without_role",
            Self::TokenNotJudged(_) => "token_not_judged",
            Self::CrossSite => "cross_site",
            Self::Role => "role",
            Self::FaultsDisabled => "faults_disabled",
            Self::TooManyFailures(_) => "too_many_failures",
            Self::SecretsTooOld => "secrets_too_old",
        }
    }

    /// For the metric, which anybody may read who reaches it: it does not say which users exist.
    const fn label(&self) -> &'static str {
        match self {
            Self::UnknownUser | Self::WrongPassword | Self::TooLong => "credentials",
            other => other.reason(),
        }
    }
}

impl From<Why> for Refused {
    fn from(why: Why) -> Self {
        Self { user: None, why, begun: None }
    }
}

/// Makes every series visible from the start, with zeros.
pub fn register_metrics() {
    for reason in Why::LABELS {
        metrics::REFUSALS.with_label_values(&[reason]);
    }
}

// === impl Refused ===

impl Refused {
    /// The same, having begun somebody's pause.
    pub fn having_begun(self, begun: Option<&'static str>) -> Self {
        Self { begun, ..self }
    }
}

impl Gate {
    /// Notes the refusal where it can be found later, and says what to answer.
    pub(super) fn refuse(&self, request: &HttpRequest, refused: &Refused) -> ApiError {
        let why = &refused.why;
        metrics::REFUSALS.with_label_values(&[why.label()]).inc();
        let (route, trace) = (request.match_pattern(), trace::id());
        let refusal = Refusal {
            user: refused.user.as_deref(),
            wanted: route.as_deref().unwrap_or(metrics::UNMATCHED),
            object: None,
            address: Some(self.address(request)),
            trace: trace.as_deref(),
            reason: why.reason(),
            begun: refused.begun,
        };
        self.audit.note(&refusal, now());
        self.answer(why)
    }

    fn answer(&self, why: &Why) -> ApiError {
        let challenge = if self.tokens.is_on() { Challenge::BasicOrBearer } else { Challenge::Basic };
        let unauthorized = |detail| ApiError::Unauthorized(detail, challenge);
        match why {
            Why::NoCredentials => unauthorized("Not authenticated"),
            Why::Unreadable => unauthorized("Invalid authentication credentials"),
            Why::TooLong | Why::UnknownUser | Why::WrongPassword => unauthorized("Invalid credentials"),
            Why::Token => ApiError::Unauthorized("Invalid credentials", Challenge::InvalidToken),
            Why::CrossSite => ApiError::CrossSite,
            Why::TokenWithoutRole | Why::Role => ApiError::Forbidden,
            Why::FaultsDisabled => ApiError::FaultsDisabled,
            Why::TokenNotJudged(reason) => ApiError::Unavailable(reason.clone()),
            Why::TooManyFailures(left) => ApiError::TooManyFailures(left.as_secs() + 1),
            Why::SecretsTooOld => ApiError::SecretsTooOld,
        }
    }
}

//! What can go wrong with a till's client.
//! Does not hold replies of the service that are answers; those are counted by status.

use std::time::Duration;

use tillstream_posting::TrustError;

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not a base that requests can be made with.
    #[error("`{url}` is no address of the service: {reason}")]
    InvalidUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// User or password cannot stand in a header.
    #[error("user or password holds characters that HTTP Basic cannot carry")]
    InvalidCredentials,
    /// The files that say whom to believe.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The HTTP library refuses.
    #[error("the HTTP client cannot be built: {0}")]
    Http(#[from] reqwest::Error),
}

/// No answer that settles the sale came in time: it may or may not have been taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {waited:?} and {attempts} attempts, the last one: {last}")]
pub struct Unanswered {
    /// How often it was sent.
    pub attempts: u32,
    /// How long it was tried.
    pub waited: Duration,
    /// What the last attempt met.
    pub last: String,
}

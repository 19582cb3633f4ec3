//! Why there can be no client.
//! Does not hold what an attempt met; the actor turns that into a refusal.

use tillstream_posting::TrustError;

/// A setting or a secret that no request can be made of.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an address that can be called.
    #[error("`window.validation_url` `{url}` cannot be used: {reason}")]
    InvalidUrl {
        /// What was set.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Characters that no header can carry.
    #[error("the credentials cannot stand in a header: use printable characters")]
    InvalidCredentials,
    /// The secret tree has no such user.
    #[error("`{path}` has no `{key}` in the secrets: add it")]
    MissingSecret {
        /// Where it should stand.
        path: &'static str,
        /// Its key.
        key: &'static str,
    },
    /// The files that say whom to believe.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The HTTP library refuses its settings.
    #[error("cannot make an HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

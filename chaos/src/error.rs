//! Why a drill could not be carried through.
//! Does not hold what the drill found; that is the report.

use std::time::Duration;

use tillstream_posting::TrustError;

/// The drill has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// Not a base that requests can be made with.
    #[error("`{url}` is no address of the service: {reason}")]
    InvalidUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The files that say whom to believe.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The HTTP library refuses.
    #[error("the HTTP client cannot be built: {0}")]
    Client(#[from] reqwest::Error),
    /// Wrong user, wrong password, or a user that may not do it.
    #[error("{path} was answered with {status}: use the user and password of an admin of the service")]
    NotAdmin {
        /// What was asked.
        path: String,
        /// 401 or 403.
        status: u16,
    },
    /// The service does not allow faults.
    #[error("the service takes no faults: set `faults.enabled = true` there, or drill with --faults 0")]
    FaultsDisabled,
    /// An answer that the drill cannot go on with.
    #[error("{path} was answered with {status}, which the drill cannot go on with: {text}")]
    Unexpected {
        /// What was asked.
        path: String,
        /// The status.
        status: u16,
        /// The beginning of the answer.
        text: String,
    },
    /// No usable answer for a long time.
    #[error("{path} had no usable answer within {waited:?}, the last attempt met: {last}")]
    Unreachable {
        /// What was asked.
        path: String,
        /// How long.
        waited: Duration,
        /// What the last attempt met.
        last: String,
    },
    /// An answer that is not what the interface promises.
    #[error("the answer to {path} cannot be read: {reason}")]
    Unreadable {
        /// What was asked.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Sales come in although the drill has not begun.
    #[error("the books do not come to rest within {waited:?}: {whom}; stop other tills, then try again")]
    NotCalm {
        /// How long it was waited.
        waited: Duration,
        /// Who is not at rest.
        whom: String,
    },
    /// The options contradict each other.
    #[error("{0}")]
    Options(String),
    /// A plan file that cannot be used.
    #[error("the plan `{file}` cannot be used: {reason}")]
    Plan {
        /// Which file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Told twice to stop.
    #[error("stopped before the account was settled: there is no verdict")]
    Aborted,
}

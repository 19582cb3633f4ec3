//! Why a token, a key set or a setting is refused.
//! Says nothing that a token said: not a byte of one gets into an error.

use std::path::PathBuf;
use std::time::Duration;

/// Why a token lets nobody in, or not now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No issuer is configured.
    #[error("bearer tokens are off: set `tokens.issuer` to let them in")]
    Off,
    /// It proves nothing.
    #[error("the token is refused: {0}")]
    Refused(#[from] Refusal),
    /// It proves who this is, and gives no right.
    #[error("the token of `{subject}` is good, but none of its scopes stands in `tokens.scopes`")]
    NoRole {
        /// Who it is.
        subject: String,
    },
    /// It proves who this is, and a user has one role.
    #[error("the token of `{subject}` is good, but its scopes give several roles: ask the issuer for one of them")]
    SeveralRoles {
        /// Who it is.
        subject: String,
    },
    /// There are no keys, or none young enough.
    #[error("no token can be judged: the issuer's keys are not there or too old")]
    NoKeys,
    /// The issuer may have begun to sign with this key since its keys were read.
    #[error("the token's key is not known yet, the issuer's keys are being read again")]
    KeyNotKnownYet,
}

/// What to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAnswer {
    /// 401: nobody is logged in.
    Unauthorized,
    /// 403: somebody is, and may not.
    Forbidden,
    /// 503: ask again; the token was not judged.
    Unavailable,
}

impl TokenError {
    /// What to answer.
    pub const fn answer(&self) -> TokenAnswer {
        match self {
            Self::Off | Self::Refused(_) => TokenAnswer::Unauthorized,
            Self::NoRole { .. } | Self::SeveralRoles { .. } => TokenAnswer::Forbidden,
            Self::NoKeys | Self::KeyNotKnownYet => TokenAnswer::Unavailable,
        }
    }

    /// Whom the token proved, where it did.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::NoRole { subject } | Self::SeveralRoles { subject } => Some(subject),
            Self::Off | Self::Refused(_) | Self::NoKeys | Self::KeyNotKnownYet => None,
        }
    }
}

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Longer than `tokens.max_token`.
    #[error("it is longer than `tokens.max_token`")]
    TooLong,
    /// Not three parts of base64url, no JSON, a repeated member, or a member of the wrong type.
    #[error("it is malformed")]
    Malformed,
    /// `typ` names another kind of token.
    #[error("it is another kind of token")]
    Type,
    /// `crit`: it must not be read by who does not know the extension, and we know none.
    #[error("it demands an extension that is not known here")]
    Critical,
    /// Not in `tokens.algorithms`.
    #[error("its algorithm is not in `tokens.algorithms`")]
    Algorithm,
    /// The issuer does not publish this key, or not for this algorithm.
    #[error("the issuer publishes no such key")]
    UnknownKey,
    /// It names no key where there are several, or its key's name is given to several.
    #[error("it does not say clearly which key signed it")]
    AmbiguousKey,
    /// The key did not sign this.
    #[error("its signature is wrong")]
    Signature,
    /// A claim that must be there is not.
    #[error("it has no claim `{0}`")]
    MissingClaim(&'static str),
    /// Somebody else's.
    #[error("its issuer is not `tokens.issuer`")]
    Issuer,
    /// For somebody else.
    #[error("its audience is not `tokens.audience`")]
    Audience,
    /// Over.
    #[error("it has expired")]
    Expired,
    /// `nbf` lies ahead.
    #[error("it is not valid yet")]
    NotYetValid,
    /// `iat` lies ahead.
    #[error("it was issued in the future: compare the clocks")]
    IssuedInFuture,
}

impl Refusal {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Type => "type",
            Self::Critical => "critical",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::AmbiguousKey => "ambiguous_key",
            Self::Signature => "signature",
            Self::MissingClaim(_) => "missing_claim",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
        }
    }
}

/// Why the keys could not be read; the last good ones stay in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection, no TLS, no answer in time.
    #[error("`{url}` does not answer: {reason}")]
    NoAnswer {
        /// Who was asked.
        url: String,
        /// The innermost reason.
        reason: String,
    },
    /// Something else than 200; redirects are not followed.
    #[error("`{url}` answered {status}, expected 200")]
    Status {
        /// Who was asked.
        url: String,
        /// What it said.
        status: u16,
    },
    /// More than anybody needs for keys.
    #[error("`{from}` holds more than {limit} bytes")]
    TooLarge {
        /// A URL or a file.
        from: String,
        /// What is read at most.
        limit: usize,
    },
    /// Neither keys nor, where that was asked for, a discovery document.
    #[error("`{from}` holds no {expected}: {reason}")]
    Unreadable {
        /// A URL or a file.
        from: String,
        /// What it should be.
        expected: &'static str,
        /// Line and column.
        reason: String,
    },
    /// The discovery document is another issuer's.
    #[error("`{url}` describes another issuer than `tokens.issuer`")]
    OtherIssuer {
        /// Where it stands.
        url: String,
    },
    /// A file that cannot be read.
    #[error("cannot read `{}`: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file on a disk that does not answer, for example.
    #[error("the keys were not read within {within:?}")]
    Stuck {
        /// All of it.
        within: Duration,
    },
    /// Where keys may not come from.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Where keys cannot or must not come from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No URL.
    #[error("`{url}` is no http or https address")]
    NoUrl {
        /// As it was given.
        url: String,
    },
    /// It would end in logs.
    #[error("an address of keys must not hold a user or a password: keys are public")]
    NamesUser,
    /// Whoever sits on the way could hand in a key of his own and sign tokens with it.
    #[error("`{url}` is not encrypted: use https, or set `tokens.plain_http = true` if the way there is safe")]
    NotEncrypted {
        /// As it was given.
        url: String,
    },
}

/// A `[tokens]` section that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenSettingsError {
    /// What to set.
    #[error("{0}")]
    Inconsistent(&'static str),
    /// A URL that must not be used.
    #[error(transparent)]
    Source(#[from] SourceError),
}

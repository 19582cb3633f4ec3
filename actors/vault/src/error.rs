//! Why Vault could not be used and what to do about it.
//! Every text may be logged: it names addresses, paths, keys and files, never what stands there, and no text of a server.

use std::path::PathBuf;

/// What went wrong between this process and Vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// A setting that nothing can be done with.
    #[error("`vault.{key}` {what}")]
    Setting {
        /// Which key of the section.
        key: &'static str,
        /// What it must be.
        what: String,
    },
    /// No connection, or it broke.
    #[error("vault at {address} cannot be reached ({cause}): start it, or correct `vault.address`")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// The innermost cause.
        cause: String,
    },
    /// No answer in time.
    #[error("vault at {address} did not answer within `vault.timeout`: look at its load and at the network")]
    Timeout {
        /// Where it is.
        address: String,
    },
    /// Its certificate is signed by nobody whom we trust, or is not its own.
    #[error("the certificate of vault at {address} is not trusted ({cause}): name its authority in `vault.ca_cert`")]
    Untrusted {
        /// Where it is.
        address: String,
        /// What is wrong with the certificate.
        cause: String,
    },
    /// The authorities cannot be used.
    #[error("cannot use the authorities in `{}` ({cause}): correct `vault.ca_cert`", file.display())]
    Authorities {
        /// Which file.
        file: PathBuf,
        /// Why.
        cause: String,
    },
    /// It has lost its keys.
    #[error("vault at {address} is sealed: unseal it")]
    Sealed {
        /// Where it is.
        address: String,
    },
    /// It was never set up.
    #[error("vault at {address} is not initialised: run `tillstream vault`, or have its operator set it up")]
    Uninitialised {
        /// Where it is.
        address: String,
    },
    /// It says itself that it cannot serve now.
    #[error("vault at {address} cannot serve (status {status}): try again, look at its log if that lasts")]
    Unavailable {
        /// Where it is.
        address: String,
        /// What it answered.
        status: u16,
    },
    /// A file with credentials cannot be read.
    #[error("cannot read `{}` ({cause}): put the {what} there", file.display())]
    Credentials {
        /// `role id` or `secret id`.
        what: &'static str,
        /// Which file.
        file: PathBuf,
        /// Why.
        cause: String,
    },
    /// Role id and secret id do not hold.
    #[error(
        "vault refused the login of the AppRole (status {status}): hand out a new secret id, and check the role id and `vault.approle_mount`"
    )]
    LoginRefused {
        /// What it answered.
        status: u16,
    },
    /// The token that wraps the secret id does not hold any more.
    #[error(
        "the wrapped secret id in `{}` was unwrapped before, or has expired: unless this service did it in an earlier life, somebody \
         else may hold the secret id, so destroy it and hand out a new one",
        file.display()
    )]
    WrappingSpent {
        /// Where the wrapping token stands.
        file: PathBuf,
    },
    /// The token wraps something else than a secret id.
    #[error(
        "`{}` holds a wrapping token that was not made for a secret id of `vault.approle_mount`: somebody may have put it there, so \
         find out who, and hand out a new one",
        file.display()
    )]
    WrappingForeign {
        /// Where the wrapping token stands.
        file: PathBuf,
    },
    /// Logged in, but not allowed.
    #[error("no policy of this AppRole allows {what}: allow it, or check `vault.mount`")]
    Forbidden {
        /// Such as `reading kv/a/b`.
        what: String,
    },
    /// The login would have to be repeated, and that has just been tried in vain.
    #[error("vault forbids {what}, and the last login did not help: another one follows in {seconds} s")]
    ForbiddenStill {
        /// Such as `reading kv/a/b`.
        what: String,
        /// Until a login is tried again.
        seconds: u64,
    },
    /// A needed path is not there.
    #[error("vault has nothing at {path}: write it there")]
    Missing {
        /// Mount and path.
        path: String,
    },
    /// A path does not hold what it should.
    #[error("{path} in vault {what}: correct it")]
    Malformed {
        /// Mount and path.
        path: String,
        /// What is wrong, with the key, without the value.
        what: String,
    },
    /// An answer that no server of this API gives.
    #[error(
        "vault at {address} gave an answer to {what} that cannot be understood: is it a Vault, or something before one?"
    )]
    Unintelligible {
        /// Where it is.
        address: String,
        /// Such as `reading kv/a/b`.
        what: String,
    },
    /// More than this API has to say.
    #[error(
        "vault at {address} gave an answer to {what} that is longer than 4 MiB: is it a Vault, or something before one?"
    )]
    TooLarge {
        /// Where it is.
        address: String,
        /// Such as `reading kv/a/b`.
        what: String,
    },
    /// It sends its callers to somebody else.
    #[error(
        "vault at {address} sends its callers elsewhere (status {status}), and the token goes nowhere else: name the active server in \
         `vault.address`, or let standby servers forward requests"
    )]
    Elsewhere {
        /// Where it is.
        address: String,
        /// What it answered.
        status: u16,
    },
    /// A request that this server does not take.
    #[error("vault refused {what} (status {status}): check `vault.mount` and what stands there")]
    Refused {
        /// Such as `reading kv/a/b`.
        what: String,
        /// What it answered.
        status: u16,
    },
}

// === impl VaultError ===

impl VaultError {
    /// What a reading that ended like this is counted as.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Setting { .. } | Self::Credentials { .. } | Self::Authorities { .. } => "misconfigured",
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::Untrusted { .. } => "untrusted",
            Self::Sealed { .. } => "sealed",
            Self::Uninitialised { .. } => "uninitialised",
            Self::Unavailable { .. }
            | Self::Unintelligible { .. }
            | Self::TooLarge { .. }
            | Self::Elsewhere { .. }
            | Self::Refused { .. } => "unavailable",
            Self::LoginRefused { .. } | Self::WrappingSpent { .. } | Self::WrappingForeign { .. } => "login_refused",
            Self::Forbidden { .. } | Self::ForbiddenStill { .. } => "forbidden",
            Self::Missing { .. } => "missing",
            Self::Malformed { .. } => "malformed",
        }
    }

    /// Whether another connection may help: one to a server that moved, or that believes what is in the file now.
    pub(crate) const fn is_of_the_connection(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Untrusted { .. })
    }
}

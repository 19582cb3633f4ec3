//! Why the server is not set up, and what to do about it.
//! Every text may be shown: it names places and status codes, never a secret.

use std::io;
use std::path::PathBuf;

use tillstream_secrets::SecretsError;

/// What to do with a server whose first run was interrupted.
const INTERRUPTED: &str = "it holds nothing yet: stop it, delete its storage (`vault-data/raft`; with compose `docker compose down --volumes` \
                           does both), start it and run this again";

/// What `tillstream vault set-up` exits with when nobody here can ever open the server; other failures are 1.
const UNREADABLE: u8 = 3;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The address or the certificate of the authority is no good.
    #[error("{0}")]
    Connection(String),
    /// Nobody answers.
    #[error(
        "no answer from {address} ({reason}): is the server running (`bao server -config=vault/server.hcl`), is the address right, and does --ca-cert name the authority of its certificate?"
    )]
    Unreachable {
        /// Where.
        address: String,
        /// The innermost cause.
        reason: String,
    },
    /// An answer that no step expects.
    #[error("the server answered {call} with status {status}{}", advice(*status))]
    Refused {
        /// Method and path.
        call: String,
        /// The status code.
        status: u16,
    },
    /// An answer without what it must have.
    #[error("the answer to {call} lacks `{field}`: is {address} a Vault or OpenBao server?")]
    Malformed {
        /// Method and path.
        call: String,
        /// What is missing.
        field: &'static str,
        /// Where.
        address: String,
    },
    /// The answer of an earlier initialisation was lost, or the keys are elsewhere.
    #[error(
        "the server is initialised, but there are no unseal keys in `{}`: point --keys to where they are; if nobody has them because an \
         earlier first run was interrupted before they were written, {INTERRUPTED}", keys.display()
    )]
    KeysUnknown {
        /// Where keys were looked for.
        keys: PathBuf,
    },
    /// It says that it has no storage, and makes none: most often it was ended while it made it.
    #[error(
        "the server is not initialised and refuses to be (status {status} of PUT sys/init; its log says why): if an earlier first run was \
         interrupted, {INTERRUPTED}"
    )]
    InitialisationRefused {
        /// The status code.
        status: u16,
    },
    /// Some keys are there, but they do not open it.
    #[error("the unseal keys in `{}` do not open the server: it needs {needed} of them, and they must be its own", keys.display())]
    KeysInsufficient {
        /// Where keys were looked for.
        keys: PathBuf,
        /// The server's threshold.
        needed: u64,
    },
    /// Keys of another server are where the new ones belong.
    #[error("`{}` holds unseal keys already, but the server is not initialised: they are another server's; move them or name another directory with --keys", .0.display())]
    KeysOfAnother(PathBuf),
    /// No token can be made from unseal keys.
    #[error(
        "the server makes no administrator's token from unseal keys (status {0}): OpenBao needs `disable_unauthed_generate_root_endpoints = \
         false` in a listener, as in vault/server.hcl, and a restart; or name an administrator's token with --token-file"
    )]
    NoGenerateRoot(u16),
    /// It runs without a record of who did what.
    #[error(
        "the server has no audit device and takes none over its API (status {0}): put the `audit` block of vault/server.hcl into its \
         configuration and restart it, or say --without-audit"
    )]
    NoAudit(u16),
    /// The mount of the secrets is something else.
    #[error("the server has a mount `kv/` of another type than kv: this system needs it for its secrets")]
    ForeignMount,
    /// Sealed, standby or still starting.
    #[error("the server did not become active: {0}")]
    NotActive(&'static str),
    /// No operator has files here.
    #[error("there is no login of an operator in `{}`: name the directory that `tillstream vault set-up` has written with --approles", .0.display())]
    NoOperator(PathBuf),
    /// An operator's login was refused.
    #[error("the operator's login in `{}` does not hold any more (status {status}): run `tillstream vault set-up` again", directory.display())]
    OperatorRefused {
        /// Where its files are.
        directory: PathBuf,
        /// The status code.
        status: u16,
    },
    /// A path without a password.
    #[error(
        "`{0}` has no key `password` in the secrets: name one of the paths with a password, such as `validation-service/creds/pos-service`"
    )]
    NoPassword(String),
    /// Somebody else wrote at the same time.
    #[error("`{0}` was changed by somebody else at the same time: look at it and try again")]
    Overtaken(String),
    /// What stands at a path is no table of texts.
    #[error("`{0}` holds something else than texts: correct it first")]
    NotTexts(String),
    /// Another run works with the same keys.
    #[error("another set-up works with `{}`: wait until it is done", .0.display())]
    Busy(PathBuf),
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// Such as `write`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// No password could be made.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// Whoever watches said stop.
    #[error("stopped before it was done: run it again")]
    Stopped,
}

impl SetUpError {
    /// What a program that ends with this error exits with: whoever looks after the server need not read English.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::KeysUnknown { .. } | Self::InitialisationRefused { .. } => UNREADABLE,
            _ => 1,
        }
    }

    /// For `map_err` on file operations.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// What a status most likely means here.
fn advice(status: u16) -> &'static str {
    match status {
        403 => ": this token may not do that",
        503 => ": it is sealed, run `tillstream vault set-up`",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_run_that_was_interrupted_has_a_way_out_and_an_exit_code_of_its_own() {
        let interrupted =
            [SetUpError::KeysUnknown { keys: "vault-keys".into() }, SetUpError::InitialisationRefused { status: 400 }];
        for error in interrupted {
            let said = error.to_string();
            let way_out = ["interrupted", "`vault-data/raft`", "docker compose down --volumes", "run this again"];
            assert!(way_out.iter().all(|words| said.contains(words)), "{said}");
            assert_eq!(error.exit_code(), 3, "{said}");
        }
        for error in [SetUpError::KeysInsufficient { keys: "vault-keys".into(), needed: 3 }, SetUpError::Stopped] {
            assert_eq!(error.exit_code(), 1, "{error}");
        }
    }
}

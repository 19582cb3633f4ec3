//! Why a connection ends.
//! Every end is safe: what the broker did not confirm was not acknowledged, and what a consumer did not settle comes again.

use tillstream_smf::{FrameError, Malformed};

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Parting {
    /// The client has closed it, or the network has.
    #[error("the client is gone")]
    Gone,
    /// The listener is started anew, or the client has come again and goes on there.
    #[error("the connection was taken over")]
    Revoked,
    /// Bytes that are no frames.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A frame that breaks the protocol.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The login was answered with a refusal.
    #[error("the login was refused")]
    LoginRefused,
    /// Its user is gone or has other rights now.
    #[error("its user was removed, or has other rights now")]
    Dismissed,
    /// Nobody logged in in time.
    #[error("no login in time")]
    LoginLate,
    /// A wish before the login, or a second login.
    #[error("a request that does not belong here")]
    OutOfTurn,
    /// More guaranteed messages than the window allows.
    #[error("more messages under way than the window allows")]
    Flood,
    /// No sign of life.
    #[error("no sign of life from the client")]
    Silent,
    /// It does not read what it asked for.
    #[error("the client does not read")]
    Stuck,
}

impl Parting {
    /// Every label, and that of a connection whose task failed.
    pub(crate) const LABELS: [&str; 11] = [
        "gone",
        "revoked",
        "malformed",
        "login_refused",
        "dismissed",
        "login_late",
        "out_of_turn",
        "flood",
        "silent",
        "stuck",
        "panic",
    ];

    /// For metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Revoked => "revoked",
            Self::Frame(_) | Self::Malformed(_) => "malformed",
            Self::LoginRefused => "login_refused",
            Self::Dismissed => "dismissed",
            Self::LoginLate => "login_late",
            Self::OutOfTurn => "out_of_turn",
            Self::Flood => "flood",
            Self::Silent => "silent",
            Self::Stuck => "stuck",
        }
    }
}

//! The ways in which one actor or supervisor can be made to fail, as they are named outside.
//! Does not make anything fail; the tree does.

use std::time::Duration;

use tillstream_supervision::Fault;

/// A panic and a restart take milliseconds; an actor that is over its budget takes a few pauses more.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a blocked thread is blocked for unless it is said.
const BLOCK: Duration = Duration::from_secs(3);
/// How long `panic_after` waits for a message unless it is said.
const AWAIT_MESSAGE: Duration = Duration::from_secs(10);

/// How an actor fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// Before its next message, or at once when it is idle.
    Panic,
    /// After its next message was handled and before the reply.
    PanicAfter,
    /// It stops by itself.
    Stop,
    /// It waits for a future that never ends.
    Hang,
    /// It really blocks its thread.
    Block,
}

/// One fault that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct ActorFault {
    /// How.
    pub kind: ActorKind,
    /// How long; each kind has its own default.
    pub seconds: Option<Duration>,
}

// === impl ActorKind ===

impl ActorKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Panic, Self::PanicAfter, Self::Stop, Self::Hang, Self::Block];

    /// Its name outside.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::PanicAfter => "panic_after",
            Self::Stop => "stop",
            Self::Hang => "hang",
            Self::Block => "block",
        }
    }

    /// As the tree knows it.
    pub(super) fn fault(self, seconds: Option<Duration>) -> Fault {
        match self {
            Self::Panic => Fault::Panic,
            Self::PanicAfter => Fault::PanicAfter,
            Self::Stop => Fault::Stop,
            Self::Hang => Fault::Hang,
            Self::Block => Fault::Block(seconds.unwrap_or(BLOCK)),
        }
    }
}

// === impl ActorFault ===

impl ActorFault {
    /// How long it may take until the fault takes effect; it is disarmed then.
    pub(super) fn fires_within(self) -> Duration {
        match self.kind {
            ActorKind::PanicAfter => self.seconds.unwrap_or(AWAIT_MESSAGE),
            ActorKind::Panic | ActorKind::Stop | ActorKind::Hang | ActorKind::Block => PATIENCE,
        }
    }

    /// How long the recovery is awaited from then on.
    pub(super) fn recovers_within(self) -> Duration {
        match self.kind {
            ActorKind::Block => self.seconds.unwrap_or(BLOCK) + PATIENCE,
            ActorKind::Panic | ActorKind::PanicAfter | ActorKind::Stop | ActorKind::Hang => PATIENCE,
        }
    }
}

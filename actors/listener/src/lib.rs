//! The embedded broker for Solace clients: an actor that accepts SMF connections and serves each by a task of its own.
//! It is not Solace: no TLS, no temporary queues, browsers, selectors or transactions, and direct messages reach direct
//! subscribers only, as guaranteed ones reach queues only.
//!
//! One sale's way through it: `connection` reads bytes and cuts frames; the connection's `desk` understands one as a
//! guaranteed message, its `publisher` flow finds that it is neither a repetition nor behind a gap, `content` turns it
//! into what the broker stores, and the broker takes it. The publisher flow keeps the broker's promise in the order of
//! arrival; when the commit is synced the desk says so (cumulatively, always with a response), and the connection writes
//! it. On the other side a `consumer` flow takes deliveries while the client's window has room, gives each a fresh id
//! and remembers which of the queue's messages that is, until the client settles it.
//!
//! **Who holds what, and what happens to it.** All that a connection holds stands at its desk, behind one lock that only
//! its own task takes, unless the listener is started anew: then the new incarnation closes the desks of all earlier
//! connections. Queue flows go back to the broker in that moment, wherever their task is, also on a thread that is
//! blocked, and a task that wakes up later finds its desk closed. Publisher flows outlive their connection in
//! [`ListenerMemory`], with what they still wait for, so that a client that resumes loses nothing and stores nothing twice.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `listener` | the actor: accepts, owns the tasks |
//! | `connection`, `pulse`, `outgoing` | one socket: reading, writing, deadlines, the bounded buffer |
//! | `desk` | what a client wants, one request after the other, without sockets |
//! | `publisher`, `consumer` | one guaranteed flow in each direction |
//! | `content`, `properties`, `metadata`, `traceparent` | a message on the wire and in the broker |
//! | `memory`, `peers`, `switchboard` | what connections share: publisher flows, names, direct subscriptions |
//! | `accounts`, `topics` | who may do what; a user that is removed or gets other rights is disconnected, a changed password ends nothing |
//! | `parting` | why a connection ends |
//! | `rehearsal` | a connection without a socket, for tests and fuzzing |

mod accounts;
mod connection;
mod consumer;
mod content;
mod desk;
mod hub;
mod listener;
mod locks;
mod memory;
mod metadata;
mod metrics;
mod outgoing;
mod parting;
mod peers;
mod properties;
mod publisher;
mod pulse;
#[cfg(feature = "rehearsal")]
mod rehearsal;
mod settings;
mod switchboard;
mod topics;
mod traceparent;

pub use accounts::{Account, Accounts, Consume, Rights};
pub use listener::{ListenerWiring, SmfListener};
pub use memory::ListenerMemory;
#[cfg(feature = "rehearsal")]
pub use rehearsal::Rehearsal;
pub use settings::ListenerSettings;

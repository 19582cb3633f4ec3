//! An embedded message broker: durable queues fed by topic subscriptions, each read by one exclusive consumer
//! while others stand by.
//! It stores bytes under topics and gives them back until they are acknowledged; it does not know what they mean.
//!
//! A publish is answered only after the `fdatasync` of the commit that holds the message has returned. One thread per
//! broker, the engine, owns the storage; everything else is memory behind two short locks (see `engine`).
//!
//! | file | what is in it |
//! | --- | --- |
//! | `broker`, `flow` | the two handles that callers hold |
//! | `annotation` | the trace that a message's properties may begin with: written and read by others, opaque to the rest |
//! | `inbox`, `round` | publishes on their way to the engine, and their answers on the way back |
//! | `engine`, `upkeep` | the thread: group commit, then what happens when storage fails or space is low |
//! | `state`, `queue`, `chunks` | what is in memory: which message is where in which queue |
//! | `binding`, `sides` | who consumes a queue, who stands by, and when nobody may |
//! | `group`, `batch`, `stored`, `record`, `store` | a commit: messages as chunks, chunks as rows, rows in the database |
//! | `recovery` | memory as it was, from the rows on disk and the specs of today |
//! | `disk`, `gate`, `guard` | files, the reserve and the seam where a disk is put that is full, fails or forgets |

mod annotation;
mod batch;
mod binding;
mod broker;
mod chunks;
mod clock;
mod disk;
mod engine;
mod errors;
mod flow;
mod gate;
mod group;
mod guard;
mod inbox;
mod message;
mod metrics;
mod queue;
mod record;
mod recovery;
mod round;
mod settings;
mod shared;
mod sides;
mod state;
mod store;
mod stored;
mod topic;
mod upkeep;

pub use annotation::TraceNote;
pub use broker::{Broker, QueueStats};
pub use clock::{Clock, SystemClock};
pub use disk::{Disk, FileDisk, RawFile};
pub use errors::{BindError, NoSuchQueue, OpenError, PublishError};
pub use flow::{Flow, FlowOwner};
pub use gate::{GatedDisk, WriteGate};
pub use message::{Delivery, OutboundMessage};
pub use round::Publishing;
pub use settings::{BrokerSettings, QueueSpec, WhenFull};
pub use sides::Side;

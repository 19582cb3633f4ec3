//! A durable set of 16-byte ids, each with a short value, forgotten after a horizon.
//! Writes join the caller's atomic batch and reads take no lock; what an id or its value means is the caller's business.

mod disk;
mod filter;
mod gate;
mod generation;
mod index;

pub use disk::{make_directory, rewrite_journals};
pub use gate::WriteGate;
pub use index::{IdIndex, IndexError};

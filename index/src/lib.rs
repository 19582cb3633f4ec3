//! A durable set of 16-byte ids, each with a short value, forgotten after a horizon.
//! Writes join the caller's atomic batch and reads take no lock; what an id or its value means is the caller's business.

mod generation;
mod index;

pub use index::{IdIndex, IndexError};

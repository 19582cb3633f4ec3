//! The window algebra: tumbling windows of one store over event time, their watermark, finality and lateness.
//! Has no clock and no storage: queue progress and the time since start enter as arguments, decisions leave as values.

mod pane;
mod rules;
mod store;

pub use pane::{FinalWindow, FoldedSale, SaleTag};
pub use rules::{QueueProgress, WindowRules};
pub use store::{Due, EmissionKind, Fold, HeldLate, Recognition, StoreWindows};

#[cfg(test)]
mod tests;

//! The live model of the process and the frames in which it is told: built a few times a second, only while somebody looks.
//! Does not speak HTTP and counts nothing: it reads what rooms hold in memory.

mod actors;
mod board;
mod counters;
mod frames;
mod hub;
mod metrics;
mod model;
mod painter;
mod patch;
mod places;
mod rates;
mod sales;
mod settings;

pub use board::Sources;
pub use hub::{BEAT, Live, Page, Turn};
pub use model::About;
pub use painter::Painter;
pub use places::{NoPlace, Reader};
pub use sales::store_document;
pub use settings::{InvalidLive, LiveSettings};

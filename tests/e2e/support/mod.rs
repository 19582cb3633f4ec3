//! What every end-to-end test needs: a running service, sales to post, windows to read, and waiting with a deadline.
//! Asserts nothing of its own beyond "it runs".

mod app;
mod disk;
mod drill;
mod faults;
mod output;
mod refusal;
mod sale;
mod setup;
mod till;
mod wait;
mod windows;

pub use app::TestApp;
pub use disk::SmallDisk;
pub use drill::{Drill, count_from};
pub use faults::assert_nothing_lost;
pub use sale::{Sale, cents_of};
pub use setup::Setup;
pub use till::Answer;
pub use wait::{eventually, pause};
pub use windows::{Window, sum_of};

//! What every end-to-end test needs: a running service, sales to post, windows to read, and waiting with a deadline.
//! Asserts nothing of its own beyond "it runs".

mod app;
mod output;
mod sale;
mod setup;
mod till;
mod wait;
mod windows;

pub use app::TestApp;
pub use sale::{Sale, cents_of};
pub use setup::Setup;
pub use till::Answer;
pub use wait::{eventually, pause};
pub use windows::{Window, sum_of};

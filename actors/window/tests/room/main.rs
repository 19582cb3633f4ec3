//! The whole room on a fake broker under a paused clock, with actors killed at random and the process restarted.
//! Does not test the embedded broker or HTTP; whatever these do to the room is done here by hand.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod chaos;
mod stories;
mod world;

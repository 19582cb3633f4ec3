//! The whole room on a fake broker under a paused clock, with actors killed at random and the process restarted.
//! Does not test the embedded broker or HTTP; whatever these do to the room is done here by hand.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod broker;
mod chaos;
mod deadline;
mod differential;
mod environment;
mod isolation;
mod lives;
mod random;
mod receipts;
mod sales;
mod stories;
mod tills;
mod time;
mod traces;
mod world;

/// The seeds of a test: so many from 1, or as `ROOM_SEEDS` and `ROOM_FIRST_SEED` say.
fn seeds(many: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("ROOM_FIRST_SEED").unwrap_or(1);
    first..first + number("ROOM_SEEDS").unwrap_or(many)
}

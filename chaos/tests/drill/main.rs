//! The drill against a small service of the test's own, which does what it is told: well behaved, lossy, slow or away.
//! Proves the drill's eyes, not the real service.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod course;
mod faults;
mod service;
mod verdict;

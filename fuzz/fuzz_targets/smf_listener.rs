//! libFuzzer feeds `smf_listener`; see `src/listener.rs` for what must hold.
//! Run with `cargo +nightly fuzz run smf_listener`.
#![no_main]

#[path = "../src/listener.rs"]
mod listener;

use std::sync::{LazyLock, Mutex, PoisonError};

static STAGE: LazyLock<Mutex<listener::Stage>> = LazyLock::new(|| Mutex::new(listener::Stage::new()));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    STAGE.lock().unwrap_or_else(PoisonError::into_inner).judge(input);
});

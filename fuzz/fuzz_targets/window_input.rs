//! libFuzzer feeds `window_input`; see the library for what must hold.
//! Run with `cargo +nightly fuzz run window_input`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tillstream_fuzz::window_input(input));

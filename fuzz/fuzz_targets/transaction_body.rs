//! libFuzzer feeds `transaction_body`; see the library for what must hold.
//! Run with `cargo +nightly fuzz run transaction_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tillstream_fuzz::transaction_body(input));

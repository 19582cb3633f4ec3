//! libFuzzer feeds `smf_frame`; see `src/smf.rs` for what must hold.
//! Run with `cargo +nightly fuzz run smf_frame`.
#![no_main]

#[path = "../src/smf.rs"]
mod smf;

libfuzzer_sys::fuzz_target!(|input: &[u8]| smf::smf_frame(input));

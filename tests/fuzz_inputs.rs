//! The corpus of the fuzz targets and seeded mutations of it, on the stable compiler.
//! What must hold is the fuzz crate's; `TILLSTREAM_TEST_FUZZ_INPUTS` sets how many mutations are tried.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "../fuzz/src/lib.rs"]
mod judgements;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Mutations per target when nothing else is said: some seconds.
const INPUTS: u64 = 100_000;

/// Pieces that parsers stumble over.
const PIECES: [&str; 24] = [
    "null",
    "true",
    "-0",
    "0.00",
    "2.675",
    "1e400",
    "NaN",
    "Infinity",
    "99999999999999999999",
    "STORE_",
    "STORE_0",
    "CASHIER_9",
    "\"\"",
    "{}",
    "[]",
    "{",
    "]",
    ",",
    ":",
    "\\u0000",
    "\\ud800",
    "\u{661}",
    "9999-12-31T23:59:60Z",
    "-262144-01-01T00:00:00Z",
];

#[test]
fn no_request_body_panics_the_rules() {
    attack("transaction_body", judgements::transaction_body);
}

#[test]
fn no_message_of_a_queue_panics_a_window() {
    attack("window_input", judgements::window_input);
}

fn attack(target: &str, judgement: fn(&[u8])) {
    let corpus = corpus(target);
    let count = std::env::var("TILLSTREAM_TEST_FUZZ_INPUTS").map_or(INPUTS, |text| text.parse().unwrap());
    for input in &corpus {
        hold(judgement, input);
    }
    let mut random = fastrand::Rng::with_seed(20_241_115);
    for _ in 0..count {
        hold(judgement, &mutation(&corpus, &mut random));
    }
}

/// Names the input if the judgement panics, so that it can join the corpus.
fn hold(judgement: fn(&[u8]), input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| judgement(input)));
    assert!(outcome.is_ok(), "failed for `{}`", String::from_utf8_lossy(input).escape_debug());
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus of {target} is empty");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One to four changes of one input of the corpus.
fn mutation(corpus: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut input = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..=4) {
        change(&mut input, corpus, random);
    }
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut fastrand::Rng) {
    let at = random.usize(..=input.len());
    let end = (at + random.usize(..=12)).min(input.len());
    match random.u8(..6) {
        0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
        1 => drop(input.drain(at..end)),
        2 => drop(input.splice(at..end, PIECES[random.usize(..PIECES.len())].bytes())),
        3 => input.insert(at, random.u8(..)),
        4 => digits(input, random),
        _ => {
            let other = &corpus[random.usize(..corpus.len())];
            input.truncate(at);
            input.extend_from_slice(&other[random.usize(..=other.len())..]);
        }
    }
}

/// Another digit for a digit: the only change that often leaves the body well formed.
fn digits(input: &mut [u8], random: &mut fastrand::Rng) {
    let places: Vec<usize> = (0..input.len()).filter(|place| input[*place].is_ascii_digit()).collect();
    if !places.is_empty() {
        input[places[random.usize(..places.len())]] = b'0' + random.u8(..10);
    }
}

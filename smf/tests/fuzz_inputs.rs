//! The corpus of the fuzz target and seeded mutations of it, on the stable compiler.
//! What must hold is the fuzz crate's; `TILLSTREAM_TEST_FUZZ_INPUTS` sets how many mutations are tried.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "../../fuzz/src/smf.rs"]
mod judgements;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Mutations when nothing else is said: a few seconds.
const INPUTS: u64 = 500_000;

/// Numbers that lengths and counts stumble over, in four bytes and in one.
const LENGTHS: [u32; 10] = [0, 1, 2, 5, 6, 11, 12, 255, 0x7fff_ffff, u32::MAX];

#[test]
fn no_stream_of_bytes_harms_the_codec() {
    let corpus = corpus();
    let count = std::env::var("TILLSTREAM_TEST_FUZZ_INPUTS").map_or(INPUTS, |text| text.parse().unwrap());
    for input in &corpus {
        hold(input);
    }
    let mut random = fastrand::Rng::with_seed(20_241_115);
    for _ in 0..count {
        hold(&mutation(&corpus, &mut random));
    }
}

/// Names the input if the judgement panics, so that it can join the corpus.
fn hold(input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| judgements::smf_frame(input)));
    assert!(outcome.is_ok(), "failed for `{}`", input.escape_ascii());
}

fn corpus() -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/smf_frame.hex");
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let corpus: Vec<_> = lines.map(|line| bytes_of(line.split_once(' ').unwrap().1)).collect();
    assert!(!corpus.is_empty(), "the corpus is empty");
    corpus
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// One to four changes of one input, most often with lengths that fit again, so that the change is looked at.
fn mutation(corpus: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut input = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..=4) {
        change(&mut input, corpus, random);
    }
    if random.u8(..4) > 0 {
        repair(&mut input);
    }
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut fastrand::Rng) {
    let at = random.usize(..=input.len());
    let end = (at + random.usize(..=12)).min(input.len());
    let length = LENGTHS[random.usize(..LENGTHS.len())];
    match random.u8(..7) {
        0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
        1 => drop(input.drain(at..end)),
        2 => drop(input.splice(at..(at + 4).min(input.len()), length.to_be_bytes())),
        3 if at < input.len() => input[at] = length as u8,
        4 => input.insert(at, random.u8(..)),
        5 => {
            let piece = input[at..end].to_vec();
            drop(input.splice(at..at, piece));
        }
        _ => {
            let other = &corpus[random.usize(..corpus.len())];
            input.truncate(at);
            input.extend_from_slice(&other[random.usize(..=other.len())..]);
        }
    }
}

/// Makes the whole input one frame; its header ends where it did, or with the frame.
fn repair(input: &mut [u8]) {
    let Ok(total) = u32::try_from(input.len()) else { return };
    let Some(lengths) = input.get_mut(4..12) else { return };
    let (header, whole) = lengths.split_at_mut(4);
    let stated = header.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    header.copy_from_slice(&stated.clamp(12, total).to_be_bytes());
    whole.copy_from_slice(&total.to_be_bytes());
}

//! Kill to answering again: of a window actor with 10,000 sales in its open windows, and of a validator. Prints markdown.
//! Runs the real rooms in this process under the budgets of production; asserts only that every kill was a restart.
//!
//! usage: restart_latency [ROUNDS]
#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

mod validator;
mod window;

use std::time::Duration;

/// Kills of the window actor per round: each store's first, so that no backoff is part of the figure.
const STORES: u32 = 10;

/// Stores with 10,000 sales each that make a million, all of which the intake looks through to find those of one store.
const MANY_STORES: u32 = 100;

fn main() {
    let rounds: u64 = std::env::args().nth(1).and_then(|argument| argument.parse().ok()).unwrap_or(25);
    // A panic on purpose is no news; whatever goes wrong besides ends the example with an error of its own.
    std::panic::set_hook(Box::new(|_| {}));
    println!("| killed | unsettled sales | kills | p50 ms | p90 ms | p99 ms | max ms |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut times: Vec<Duration> = (0..rounds).flat_map(|_| window::kill_each(STORES, STORES)).collect();
    print_row("window actor, 10,000 open sales", "100,000", &mut times);
    let mut times: Vec<Duration> = (0..rounds.div_ceil(3)).flat_map(|_| window::kill_each(MANY_STORES, 30)).collect();
    print_row("window actor, 10,000 open sales", "1,000,000", &mut times);
    let (mut undisturbed, mut killed) = validator::kill(rounds * 10);
    print_row("validator (kill to durable answer)", "-", &mut killed);
    print_row("none (question to durable answer, to compare)", "-", &mut undisturbed);
}

fn print_row(what: &str, unsettled: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let percentile = |percent: usize| {
        let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(index).copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    let [p50, p90, p99, max] = [50, 90, 99, 100].map(percentile);
    println!("| {what} | {unsettled} | {} | {p50:.2} | {p90:.2} | {p99:.2} | {max:.2} |", times.len());
}

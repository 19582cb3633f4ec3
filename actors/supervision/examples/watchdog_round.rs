//! Measures what it costs to watch: processor time of the watchdog's thread and of the actors' thread, with many idle
//! actors on one thread, by the account of the kernel. Linux only.
//!
//! `cargo run --release -p tillstream-supervision --example watchdog_round -- 10000`

#![allow(clippy::print_stdout, reason = "it is a report")]

use std::time::Duration;

use actix::Actor;
use tillstream_supervision::{
    ActorSpec, Place, Strategy, SupervisedContext, Supervisor, SupervisorSpec, Watchdog, WatchdogSettings, supervised,
};

const ROUNDS: u32 = 100;

struct Idle;
supervised!(Idle);
impl Actor for Idle {
    type Context = SupervisedContext<Self>;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let actors = std::env::args().nth(1).map_or(10_000, |actors| actors.parse().expect("a number of actors"));
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::arbiter("control"));
    let place = Place::arbiter("actors");
    let mut last = None;
    for number in 0..actors {
        let spec = ActorSpec::new(format!("a{number}"), "idle");
        last = Some(root.spawn(spec, &place, || Idle).expect("the name is free"));
    }
    if let Some(last) = last {
        last.started().await.expect("it starts");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let settings = WatchdogSettings::default();
    let _watchdog = Watchdog::start(&root, settings, |text| println!("{text}"));
    tokio::time::sleep(settings.every * 3).await;

    let before = ["watchdog", "actors", "control"].map(processor_time);
    tokio::time::sleep(settings.every * ROUNDS).await;

    println!("{actors} idle actors, a round every {:?}, processor time per round:", settings.every);
    for (thread, before) in ["watchdog", "actors", "control"].into_iter().zip(before) {
        let spent = processor_time(thread) - before;
        println!("  thread {thread:10} {:>9.1} us", spent.as_nanos() as f64 / f64::from(ROUNDS) / 1e3);
    }
}

/// That the thread of this name has used so far.
fn processor_time(name: &str) -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux").filter_map(Result::ok).map(|entry| entry.path());
    let is_it = |comm: String| comm.trim_end() == name;
    let mut named = threads.filter(|path| std::fs::read_to_string(path.join("comm")).is_ok_and(is_it));
    let thread = named.next().expect("the thread runs");
    let spent = std::fs::read_to_string(thread.join("schedstat")).expect("the kernel keeps account");
    Duration::from_nanos(spent.split(' ').next().and_then(|spent| spent.parse().ok()).expect("nanoseconds"))
}

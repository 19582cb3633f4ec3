//! Measures what supervision costs per message: supervised against plain actix, interleaved in one process.
//! Prints medians of per-round ratios, because absolute times of a busy machine say little.
//!
//! `cargo run --release -p tillstream-supervision --example tell_ask`

#![allow(clippy::print_stdout, reason = "it is a report")]
#![allow(clippy::disallowed_methods, reason = "plain actix is what is compared with")]

use std::future::Future;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Context, Handler, Message};
use tillstream_supervision::{
    ActorSpec, Handle, Place, Strategy, SupervisedContext, Supervisor, SupervisorSpec, supervised,
};
use tokio::task::LocalSet;

const ROUNDS: usize = 80;
const BATCHES: usize = 200;
const TELLS: usize = 99;
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Message)]
#[rtype(result = "u64")]
struct Add(u64);

struct Plain(u64);
impl Actor for Plain {
    type Context = Context<Self>;
}
impl Handler<Add> for Plain {
    type Result = u64;
    fn handle(&mut self, Add(n): Add, _: &mut Self::Context) -> u64 {
        self.0 += n;
        self.0
    }
}

struct Supervised(u64);
supervised!(Supervised);
impl Actor for Supervised {
    type Context = SupervisedContext<Self>;
}
impl Handler<Add> for Supervised {
    type Result = u64;
    fn handle(&mut self, Add(n): Add, _: &mut Self::Context) -> u64 {
        self.0 += n;
        self.0
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let plain = Plain(0).start();
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let supervised =
            root.spawn(ActorSpec::new("a", "a"), &Place::here(), || Supervised(0)).expect("the name is free");
        supervised.started().await.expect("it starts");
        report(&measure(&plain, &supervised).await);
    });
}

/// Nanoseconds per message of one round, in the order of [`NAMES`].
type Round = [f64; 7];
const NAMES: [&str; 7] = [
    "tell: do_send, plain",
    "tell: Handle::push",
    "tell: Handle::tell",
    "tell: Port::tell",
    "ask: send, plain",
    "ask: send().timeout(), plain",
    "ask: Handle::ask",
];
/// What each is compared with.
const BASES: [usize; 7] = [0, 0, 0, 0, 4, 4, 4];

async fn measure(plain: &Addr<Plain>, supervised: &Handle<Supervised>) -> Vec<Round> {
    let port = supervised.port::<Add>();
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        rounds.push([
            tells(|| plain.do_send(Add(1)), async || plain.send(Add(1)).await.expect("it lives")).await,
            tells(|| supervised.push(Add(1)).expect("it lives"), async || ask(supervised).await).await,
            tells(|| supervised.tell(Add(1)).expect("there is room"), async || ask(supervised).await).await,
            tells(|| port.tell(Add(1)).expect("there is room"), async || ask(supervised).await).await,
            asks(async || plain.send(Add(1)).await.expect("it lives")).await,
            asks(async || plain.send(Add(1)).timeout(DEADLINE).await.expect("it lives")).await,
            asks(async || ask(supervised).await).await,
        ]);
    }
    rounds
}

async fn ask(supervised: &Handle<Supervised>) -> u64 {
    supervised.ask(Add(1), DEADLINE).await.expect("it lives")
}

/// Tells in batches that fit the mailbox, each ended by one ask so that all of it is handled within the measurement.
async fn tells<F: Future<Output = u64>>(tell: impl Fn(), ask: impl Fn() -> F) -> f64 {
    let start = Instant::now();
    for _ in 0..BATCHES {
        (0..TELLS).for_each(|_| tell());
        ask().await;
    }
    start.elapsed().as_nanos() as f64 / (BATCHES * (TELLS + 1)) as f64
}

async fn asks<F: Future<Output = u64>>(ask: impl Fn() -> F) -> f64 {
    let start = Instant::now();
    for _ in 0..BATCHES * 10 {
        ask().await;
    }
    start.elapsed().as_nanos() as f64 / (BATCHES * 10) as f64
}

fn report(rounds: &[Round]) {
    println!("{:32} {:>9} {:>7}", "", "best ns", "ratio");
    for (column, name) in NAMES.iter().enumerate() {
        let best = rounds.iter().map(|round| round[column]).fold(f64::INFINITY, f64::min);
        let ratio = median(rounds.iter().map(|round| round[column] / round[BASES[column]]).collect());
        println!("{name:32} {best:9.0} {:>7}", format!("x{ratio:.2}"));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

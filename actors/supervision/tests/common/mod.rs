//! Actors and helpers of the integration tests; each test file uses some of them.
#![allow(dead_code)]

pub mod threads;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, ActorContext, Handler, Message};
use tillstream_supervision::{
    ActorSpec, AskError, Backoff, Handle, Intensity, Node, Place, Strategy, SupervisedContext, Supervisor,
    SupervisorSpec, supervised,
};
use tokio::task::LocalSet;
use tokio::time::Instant;

pub const SOON: Duration = Duration::from_secs(5);

/// What actors did, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, line: impl Into<String>) {
        self.0.lock().expect("no test panics with the log in hand").push(line.into());
    }

    /// Takes what was logged since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no test panics with the log in hand"))
    }
}

/// Counts pings; loses the count when it restarts.
pub struct Counter {
    pub name: String,
    pub count: u64,
    pub log: Log,
}

impl Counter {
    pub fn new(name: &str, log: &Log) -> Self {
        Self { name: name.to_owned(), count: 0, log: log.clone() }
    }
}

supervised!(Counter);
impl Actor for Counter {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.log.add(format!("+{}", self.name));
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.log.add(format!("-{}", self.name));
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
pub struct Ping;

#[derive(Message)]
#[rtype(result = "()")]
pub struct Poison;

#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave;

#[derive(Message)]
#[rtype(result = "u64")]
pub struct Generation;

impl Handler<Ping> for Counter {
    type Result = u64;
    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> u64 {
        self.count += 1;
        self.count
    }
}

impl Handler<Poison> for Counter {
    type Result = ();
    fn handle(&mut self, _: Poison, _: &mut Self::Context) {
        panic!("swallowed poison");
    }
}

impl Handler<Leave> for Counter {
    type Result = ();
    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Generation> for Counter {
    type Result = actix::MessageResult<Generation>;
    fn handle(&mut self, _: Generation, ctx: &mut Self::Context) -> Self::Result {
        actix::MessageResult(ctx.generation())
    }
}

/// Runs a test whose whole tree lives on the clock of the caller.
pub async fn on_one_thread<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}

/// Restarts at once, always, without a budget.
pub fn patient(name: &str, strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec {
        intensity: Intensity { max: usize::MAX >> 8, within: Duration::from_secs(1) },
        backoff: Backoff { min: Duration::ZERO, max: Duration::ZERO, jitter: 0.0, healthy_after: Duration::ZERO },
        seed: 1,
        ..SupervisorSpec::new(name, strategy)
    }
}

/// A root on the caller's clock that restarts at once, always.
pub fn patient_root(strategy: Strategy) -> Supervisor {
    Supervisor::root(patient("root", strategy), &Place::here())
}

/// One counter under a supervisor.
pub fn counter(supervisor: &Supervisor, name: &str, log: &Log) -> Handle<Counter> {
    let (own, to) = (name.to_owned(), log.clone());
    supervisor
        .spawn(ActorSpec::new(name, "counter"), &Place::here(), move || Counter::new(&own, &to))
        .expect("the name is free")
}

/// `c0`, `c1`, … under a supervisor.
pub fn counters(supervisor: &Supervisor, n: usize, log: &Log) -> Vec<Handle<Counter>> {
    (0..n).map(|i| counter(supervisor, &format!("c{i}"), log)).collect()
}

pub async fn ping(handle: &Handle<Counter>) -> Result<u64, AskError> {
    handle.ask(Ping, SOON).await
}

/// Lets everything that is ready run.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Waits until every node of the tree runs. The failure names who does not.
pub async fn settled(root: &Supervisor) {
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        let tree = root.tree();
        let Some(stuck) = not_running(&tree) else { return };
        assert!(Instant::now() < deadline, "`{}` is still {}", stuck.path, stuck.state);
        settle().await;
    }
}

fn not_running(node: &Node) -> Option<&Node> {
    if node.state != "running" {
        return node.children.iter().find_map(not_running).or(Some(node));
    }
    node.children.iter().find_map(not_running)
}

/// Waits for something that must end; the failure shows who is stuck.
pub async fn ends<T>(root: &Supervisor, long: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(3_600), long).await {
        Ok(done) => done,
        Err(_) => panic!("stuck: {:#?}", root.tree()),
    }
}

//! The metrics of the tree, as a scrape sees them. The registry is one per process, so each test has kinds of its own.

mod common;

use actix::Actor;
use common::{Counter, Log, Ping, Poison, SOON, on_one_thread, patient_root, settle};
use prometheus::TextEncoder;
use tillstream_supervision::{ActorSpec, Handle, Place, Strategy, Supervisor, supervised};

fn scrape() -> Vec<String> {
    let families = prometheus::gather();
    let text = TextEncoder::new().encode_to_string(&families).expect("metrics are text");
    text.lines().filter(|line| line.starts_with("actor_")).map(str::to_owned).collect()
}

fn spawn(root: &Supervisor, name: &str) -> Handle<Counter> {
    let spec = ActorSpec::new(name, "counter");
    root.spawn(spec, &Place::here(), || Counter::new("c", &Log::default())).expect("the name is free")
}

/// Never starts.
struct Broken;
supervised!(Broken);
impl Actor for Broken {
    type Context = tillstream_supervision::SupervisedContext<Self>;
    fn started(&mut self, _: &mut Self::Context) {
        panic!("no");
    }
}

#[tokio::test(start_paused = true)]
async fn a_scrape_sums_actors_of_one_kind_and_counts_their_restarts_by_reason() {
    on_one_thread(async {
        let root =
            Supervisor::root(tillstream_supervision::SupervisorSpec::new("r", Strategy::OneForOne), &Place::here());
        let (first, second) = (spawn(&root, "c1"), spawn(&root, "c2"));
        first.tell(Ping).expect("there is room");
        second.tell(Ping).expect("there is room");
        second.tell(Ping).expect("there is room");
        let full = scrape();
        assert!(full.contains(&r#"actor_mailbox_depth{actor="counter"} 3"#.to_owned()), "{full:#?}");
        assert!(full.contains(&r#"actor_up{actor="counter"} 0"#.to_owned()), "not started yet: {full:#?}");
        for reason in ["stop", "panic", "start_failed", "group", "hang", "blocked", "thread", "gone"] {
            let line = format!(r#"actor_restarts_total{{actor="counter",reason="{reason}"}} 0"#);
            assert!(full.contains(&line), "a first restart must be an increase: {line} in {full:#?}");
        }

        let broken = root.spawn(ActorSpec::new("b", "broken"), &Place::here(), || Broken).expect("free");
        first.ask(Poison, SOON).await.expect_err("it panics");
        root.inject("r.c2", tillstream_supervision::Fault::Stop).expect("it is there");
        settle().await;
        let after = scrape();
        for line in [
            r#"actor_mailbox_depth{actor="counter"} 0"#,
            r#"actor_up{actor="counter"} 1"#,
            r#"actor_up{actor="broken"} 0"#,
            r#"actor_restarts_total{actor="counter",reason="panic"} 1"#,
            r#"actor_restarts_total{actor="counter",reason="stop"} 1"#,
            r#"actor_restarts_total{actor="broken",reason="start_failed"} 2"#,
            "actor_restart_duration_seconds_count 2",
            // Three pings, and the message with which it failed.
            r#"actor_messages_total{actor="counter"} 4"#,
            r#"actor_messages_total{actor="broken"} 0"#,
        ] {
            assert!(after.contains(&line.to_owned()), "{line} in {after:#?}");
        }

        drop((first, second, broken));
        root.shutdown().await;
        settle().await;
        let gone = scrape();
        assert!(gone.contains(&r#"actor_messages_total{actor="counter"} 4"#.to_owned()), "a counter never falls");
        assert!(!gone.iter().any(|line| line.starts_with("actor_up") && !line.contains("worker")), "{gone:#?}");
    })
    .await;
    victims_of_a_group_restart_are_counted_as_such().await;
}

/// Works for as long as it is told, by the clock on the wall.
struct Worker;
supervised!(Worker);
impl Actor for Worker {
    type Context = tillstream_supervision::SupervisedContext<Self>;
}

#[derive(actix::Message)]
#[rtype(result = "()")]
struct Work(std::time::Duration);

impl actix::Handler<Work> for Worker {
    type Result = ();

    fn handle(&mut self, order: Work, _: &mut Self::Context) {
        let end = std::time::Instant::now() + order.0;
        while std::time::Instant::now() < end {
            std::hint::spin_loop();
        }
    }
}

fn busy(kind: &str) -> f64 {
    let start = format!(r#"actor_busy_seconds_total{{actor="{kind}"}} "#);
    let lines = scrape();
    let line = lines.iter().find_map(|line| line.strip_prefix(&start)).expect("the kind is there");
    line.parse().expect("a number")
}

/// The clock must run: on a paused one nobody is ever busy.
#[tokio::test]
async fn time_in_a_handler_is_busy_and_time_between_messages_is_not() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let worker = root.spawn(ActorSpec::new("w", "worker"), &Place::here(), || Worker).expect("free");
        worker.started().await.expect("it starts");
        let work = std::time::Duration::from_millis(20);

        worker.ask(Work(work), SOON).await.expect("it works");
        let worked = busy("worker");
        tokio::time::sleep(work * 3).await;

        assert!(worked >= work.as_secs_f64(), "{worked}");
        assert!(busy("worker") < worked + work.as_secs_f64(), "nobody worked meanwhile: {}", busy("worker"));
    })
    .await;
}

async fn victims_of_a_group_restart_are_counted_as_such() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForAll);
        for name in ["victim", "culprit"] {
            let spec = ActorSpec::new(name, name.to_owned().leak());
            let handle = root.spawn(spec, &Place::here(), || Counter::new("c", &Log::default())).expect("free");
            handle.started().await.expect("it starts");
        }
        root.inject("root.culprit", tillstream_supervision::Fault::Panic).expect("it is there");
        settle().await;
        let lines = scrape();
        for line in [
            r#"actor_restarts_total{actor="victim",reason="group"} 1"#,
            r#"actor_restarts_total{actor="culprit",reason="panic"} 1"#,
        ] {
            assert!(lines.contains(&line.to_owned()), "{line} in {lines:#?}");
        }
    })
    .await;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use serde_json::Value;
use tillstream_audit::AuditTrail;
use tillstream_domain::Tally;
use tillstream_messages::{EnvironmentFaults, HealthBoard, QueryError, WallClock};
use tillstream_session::Backend;
use tillstream_supervision::{ActorSpec, AskError, Place, Port, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;

use super::*;
use crate::faults::{Environment, Faults, InForce};
use crate::http::{Door, Health};
use crate::live::frames::tests::read;
use crate::live::places::tests::reader_for_test;
use crate::live::{About, LiveSettings, Page, Turn};

const LONG: Duration = Duration::from_secs(60);

/// A painter, and how often it has asked reporting.
struct Bench {
    live: Live,
    root: Supervisor,
    asked: Arc<AtomicU32>,
}

/// A reporting that answers with so many accepted sales when it is asked for the n-th time, counted from 0, or cannot answer.
fn reporting_for_test(
    asked: Arc<AtomicU32>,
    accepted: impl Fn(u32) -> Option<u64> + Send + Sync + 'static,
) -> Door<QueryLive> {
    let sales = Port::from_fn(move |_: QueryLive| match accepted(asked.fetch_add(1, Ordering::Relaxed)) {
        Some(count) => Ok(LiveReport { accepted: Tally::new(count, Default::default()), ..LiveReport::default() }),
        None => Err(QueryError::Storage("gone".to_owned())),
    });
    sales.into()
}

fn sources_for_test(root: &Supervisor, sales: Door<QueryLive>) -> Sources {
    let health = Health::new(&"reporting".parse().unwrap(), HealthBoard::default(), || None);
    let environment = Environment {
        broker: None,
        backend: Backend::Embedded,
        roles: "reporting".parse().unwrap(),
        clock: WallClock::default(),
        switches: EnvironmentFaults::default(),
        in_force: InForce::default(),
    };
    let faults = Faults::new(true, root.clone(), environment, None, health.clone(), AuditTrail::default());
    let about = About {
        roles: vec!["reporting"],
        backend: "embedded",
        currency: "EUR".to_owned(),
        window: Duration::from_secs(10),
        lateness: Duration::from_secs(30),
        faults_enabled: true,
        started: Utc::now(),
    };
    let tree = root.clone();
    Sources { about, health, tree: Arc::new(move || tree.tree()), faults, sales, rate: None }
}

impl Bench {
    fn start() -> Self {
        Self::answering(|asked| (asked == 0).then_some(7))
    }

    fn answering(accepted: impl Fn(u32) -> Option<u64> + Send + Sync + 'static) -> Self {
        let asked = Arc::new(AtomicU32::new(0));
        Self { asked: asked.clone(), ..Self::over(reporting_for_test(asked, accepted)) }
    }

    fn over(sales: Door<QueryLive>) -> Self {
        let place = Place::here();
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
        let live = Live::new(LiveSettings::default());
        let (pages, sources) = (live.clone(), sources_for_test(&root, sales));
        let factory = move || Painter::new(pages.clone(), sources.clone());
        root.spawn(ActorSpec::new("live", "live"), &place, factory).unwrap();
        Self { live, root, asked: Arc::default() }
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

fn open(bench: &Bench) -> Page {
    bench.live.open(reader_for_test("reader"), None).unwrap()
}

async fn sent(page: &mut Page) -> String {
    match page.turn(LONG).await {
        Turn::Send(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        turn => panic!("stuck: no frame within {LONG:?}: {turn:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_or_painted_while_nobody_looks_and_no_more_often_than_is_set_while_somebody_does() {
    LocalSet::new()
        .run_until(async {
            let bench = Bench::start();
            tokio::time::sleep(LONG).await;
            assert_eq!(bench.asked(), 0);

            let mut page = open(&bench);
            assert!(sent(&mut page).await.contains("event: snapshot"));
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(10) {
                assert!(sent(&mut page).await.contains("event: change"));
            }
            let asked = bench.asked();
            assert!((2..=42).contains(&asked), "{asked}");

            drop(page);
            tokio::time::sleep(LONG).await;
            let asked = bench.asked();
            tokio::time::sleep(LONG).await;
            assert_eq!(bench.asked(), asked);
            bench.root.shutdown().await;
        })
        .await;
}

/// A page takes figures for old by that word.
#[tokio::test(start_paused = true)]
async fn the_next_model_comes_within_what_the_last_one_says_also_while_reporting_says_nothing() {
    LocalSet::new()
        .run_until(async {
            let silent = Door::new(|_, within| {
                Box::pin(async move {
                    tokio::time::sleep(within).await;
                    Err(AskError::Timeout)
                })
            });
            let bench = Bench::over(silent);
            let mut page = open(&bench);
            let first = sent(&mut page).await;
            assert!(first.contains(r#""next_within_seconds":2.6"#), "{first}");
            for _ in 0..20 {
                let begun = Instant::now();
                sent(&mut page).await;
                assert!(begun.elapsed() <= Duration::from_millis(2_600), "{:?}", begun.elapsed());
            }
            bench.root.shutdown().await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn while_reporting_does_not_answer_its_last_word_stands_and_the_page_says_so() {
    LocalSet::new()
        .run_until(async {
            let bench = Bench::start();
            let mut page = open(&bench);
            let first = sent(&mut page).await;
            assert!(first.contains(r#""accepted_count":7"#) && first.contains(r#""answers":true"#), "{first}");
            assert!(!first.contains("null"), "{first}");
            let second = sent(&mut page).await;
            assert!(second.contains(r#""answers":false,"since":"#) && !second.contains("company"), "{second}");
            bench.root.shutdown().await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn how_fast_sales_come_is_not_known_while_reporting_does_not_answer_and_known_again_soon_after() {
    LocalSet::new()
        .run_until(async {
            const ANSWERS: u32 = 10;
            const SILENT: u32 = 60;
            // A rate takes half a second.
            const FIRST: [u32; 4] = [0, 1, ANSWERS + SILENT, ANSWERS + SILENT + 1];
            let is_silent = |asked: u32| (ANSWERS..ANSWERS + SILENT).contains(&asked);
            let bench = Bench::answering(move |asked| (!is_silent(asked)).then_some(u64::from(asked) * 10));
            let (mut page, mut model) = (open(&bench), Value::Null);
            while bench.asked() < ANSWERS + SILENT + 5 {
                model = read(model, &Bytes::from(sent(&mut page).await));
                let asked = bench.asked() - 1;
                let rate = model["company"]["sales_per_second"].as_f64();
                assert_eq!(rate, model["flow"]["ledger"]["per_second"].as_f64());
                if is_silent(asked) {
                    assert_eq!(rate, None, "{asked}");
                } else if !FIRST.contains(&asked) {
                    assert!(rate.is_some_and(|rate| rate > 0.0), "{asked}: {rate:?}");
                }
            }
            bench.root.shutdown().await;
        })
        .await;
}

//! The table of `docs/HEALTH.md`, row by row: a condition is made, and four routes are asked.
//! How rooms find out that a condition holds is their own tests' business.

use std::collections::BTreeMap;
use std::time::Instant;

use super::*;
use crate::disk::DataDisk;
use crate::http::{Figures, Health};

const DOCUMENT: &str = include_str!("../../../docs/HEALTH.md");
const ROUTES: [&str; 4] = ["/health/startup", "/health/live", "/health/ready", "/api/v1/health"];

/// Four statuses and one word, as the table writes them.
type Row = [String; 5];

/// A process whose conditions a test decides.
struct Scene {
    health: Health,
    board: HealthBoard,
}

fn figures_for_test(tree: Node, scarce_bytes: u64) -> Figures {
    Figures {
        tree: Arc::new(move || tree.clone()),
        secrets_age: Arc::new(|| Duration::from_secs(7)),
        disk: DataDisk::new(std::env::temp_dir(), tillstream_messages::StorageSwitch::default()),
        scarce_bytes,
        clock: WallClock::stopped_at("2026-01-02T03:04:05Z".parse().unwrap()),
        began: Instant::now(),
    }
}

/// Validation with tokens that are only shown, of which everything stands and has stood.
fn scene_for_test() -> Scene {
    let scene = starting_for_test();
    for leg in [Leg::Secrets, Leg::Publish, Leg::Clock, Leg::Tokens] {
        scene.board.set(leg, LegState::Up);
    }
    assert!(scene.health.is_ready());
    scene
}

fn starting_for_test() -> Scene {
    let board = HealthBoard::default();
    let health = Health::new(&"validation".parse().unwrap(), board.clone(), || None).also(Leg::Tokens, false);
    Scene { health: health.with(figures_for_test(tree_for_test(), 0)), board }
}

fn down() -> LegState {
    LegState::Down("gone".to_owned())
}

/// Every condition of the table, made.
fn conditions() -> BTreeMap<&'static str, Health> {
    let changed = |change: &dyn Fn(Scene) -> Health| change(scene_for_test());
    let restarting = Node { state: "restarting".to_owned(), generation: 2, ..tree_for_test() };
    BTreeMap::from([
        ("the process waits for its secrets", Health::waiting(HealthBoard::default(), vec![Leg::Secrets])),
        ("a leg that it needs has not stood yet", {
            let scene = starting_for_test();
            scene.board.set(Leg::Secrets, LegState::Up);
            scene.health
        }),
        ("every leg that it needs stands", changed(&|scene| scene.health)),
        (
            "a leg that has stood is down",
            changed(&|scene| {
                scene.board.set(Leg::Publish, down());
                scene.health
            }),
        ),
        (
            "a leg stands, and something troubles it",
            changed(&|scene| {
                scene.board.remark(Leg::Secrets, Some("the file is gone".to_owned()));
                scene.health
            }),
        ),
        (
            "a leg is down that is only shown",
            changed(&|scene| {
                scene.board.set(Leg::Tokens, down());
                scene.health
            }),
        ),
        (
            "a leg of a role is down that does not run here",
            changed(&|scene| {
                scene.board.set(Leg::ConsumeLedger, down());
                scene.health
            }),
        ),
        ("an actor is being restarted", changed(&|scene| scene.health.with(figures_for_test(restarting.clone(), 0)))),
        ("an actor is over its restart budget", {
            let scene = scene_for_test();
            scene.health.with_trouble(|| Some("root.pos: it said something".to_owned()))
        }),
        (
            "a thread is blocked and cannot be replaced",
            changed(&|scene| scene.health.watched(|| Some("thread `session` is blocked".to_owned()))),
        ),
        (
            "little space is left for the data directory",
            changed(&|scene| scene.health.with(figures_for_test(tree_for_test(), u64::MAX))),
        ),
        (
            "the process shuts down",
            changed(&|scene| {
                scene.health.start_draining();
                scene.health
            }),
        ),
    ])
}

/// The rows under the header that begins with `condition`.
fn rows_of_the_document() -> BTreeMap<&'static str, Row> {
    let table = DOCUMENT.lines().skip_while(|line| !line.starts_with("| condition |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|')).map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let condition = cells.next().unwrap();
        let cells: Vec<String> = cells.map(|cell| cell.trim_matches('`').to_owned()).collect();
        (condition, cells.try_into().unwrap())
    });
    rows.collect()
}

async fn ask(health: Health) -> Row {
    let mut row = Vec::new();
    let mut word = Value::Null;
    for route in ROUTES {
        let api = Api { health: health.clone(), ..api_for_test(Doors::default()) };
        let (status, headers, body) = answer(api, TestRequest::get().uri(route)).await;
        assert_eq!(headers.get(header::CONTENT_TYPE).unwrap(), "application/health+json", "{route}");
        row.push(status.as_u16().to_string());
        word = body["status"].clone();
    }
    row.push(word.as_str().unwrap().to_owned());
    row.try_into().unwrap()
}

#[actix_web::test]
async fn the_table_of_conditions_says_what_the_four_routes_answer() {
    let mut written = rows_of_the_document();
    for (condition, health) in conditions() {
        let row = written.remove(condition).unwrap_or_else(|| panic!("`{condition}` is not in docs/HEALTH.md"));
        assert_eq!(ask(health).await, row, "{condition}");
    }
    assert!(written.is_empty(), "conditions that nobody makes: {written:?}");
}

#[actix_web::test]
async fn the_document_lists_legs_actors_secrets_disk_and_clock_and_not_what_an_actor_said() {
    let scene = scene_for_test();
    let failed = Node { last_failure: Some("no /secret/path".to_owned()), restarts: 3, ..tree_for_test() };
    let health =
        scene.health.with(figures_for_test(failed, 0)).with_trouble(|| Some("root.pos: /secret/path".to_owned()));
    let api = Api { health, ..api_for_test(Doors::default()) };

    let (_, _, body) = answer(api, TestRequest::get().uri("/api/v1/health")).await;

    let details = &body["details"];
    assert_eq!(
        details["publish:state"][0],
        json!({"componentType": "system", "status": "pass", "observedValue": "up"})
    );
    let actor = &details["actors:state"][0];
    assert_eq!((&actor["componentId"], &actor["restarts"], &actor["mailbox"]), (&json!("root"), &json!(3), &json!(0)));
    assert_eq!(
        (&details["secrets:age"][0]["observedValue"], &details["secrets:age"][0]["observedUnit"]),
        (&json!(7), &json!("s"))
    );
    assert!(details["disk:free"][0]["observedValue"].as_u64().unwrap() > 0);
    assert_eq!(details["clock:time"][0]["observedValue"], "2026-01-02T03:04:05.000Z");
    assert_eq!(details["supervision:state"][0]["output"], "`root.pos` is over its restart budget");
    assert!(!details.to_string().contains("secret/path"), "{details}");
    assert_eq!((&body["version"], &body["releaseId"]), (&json!("1"), &json!(env!("CARGO_PKG_VERSION"))));
}

#[actix_web::test]
async fn a_probe_gets_no_details() {
    let api = Api { health: scene_for_test().health, ..api_for_test(Doors::default()) };
    let (_, _, body) = answer(api, TestRequest::get().uri("/health/ready")).await;
    assert_eq!(body["checks"]["publish"], "up");
    assert!(body.get("details").is_none() && body.get("links").is_none(), "{body}");
}

//! Actors and supervisors are made to fail while sales come in: they come back, alone, and every sale counts once.
//! Faults of the environment are in `environment`, what happens over the restart budget in `escalation`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Sale, Setup, TestApp, eventually, sum_of};

const SOON: Duration = Duration::from_secs(90);
const WINDOW: &str = "root.pipeline.windows.STORE_1";
const PUBLISHER: &str = "root.session.publisher";

/// Stuck actors and threads are found sooner than by default, but not so soon that a busy machine looks stuck.
fn with_a_quick_watchdog() -> Setup {
    Setup::new()
        .setting("watchdog.every", "50ms")
        .setting("watchdog.hung_after", "500ms")
        .setting("watchdog.blocked_after", "1500ms")
}

async fn sell(app: &TestApp, count: i64) -> Vec<Sale> {
    let sales: Vec<_> =
        (0..count).map(|number| Sale::new(&format!("STORE_{}", number % 3 + 1), 100 + number)).collect();
    for sale in &sales {
        app.accept(sale).await;
    }
    sales
}

/// Every sale is in a final window, once, and the ledger says so.
async fn all_counted_once(app: &TestApp, sales: &[Sale]) {
    let windows = app.windows_when_final(sales.len() as u64).await;
    assert_eq!(sum_of(&windows).0, sales.iter().map(|sale| sale.cents).sum::<i64>());
    app.ledger_balances().await;
}

#[tokio::test]
async fn a_killed_window_actor_comes_back_alone_with_a_higher_generation_and_the_ledger_stays_0() {
    let app = TestApp::start().await;
    let mut sales = sell(&app, 9).await;
    let before = app.actors().await;

    let verdict = app.recovers(WINDOW, &json!({"kind": "panic"})).await;
    sales.extend(sell(&app, 9).await);

    assert_eq!((&verdict["generation_before"], &verdict["generation_after"]), (&json!(1), &json!(2)));
    assert_eq!(verdict["disturbed"], json!([]));
    assert!(verdict["detection_ms"].is_number() && verdict["restart_ms"].is_number(), "{verdict}");
    for actor in before {
        let now = app.actor(&actor.path).await;
        let expected = actor.generation + u64::from(actor.path == WINDOW);
        assert_eq!((now.generation, now.state.as_str()), (expected, "running"), "{}", actor.path);
    }
    let failure = app.actor(WINDOW).await.last_failure.unwrap();
    assert!(!failure.is_empty());
    all_counted_once(&app, &sales).await;
}

#[tokio::test]
async fn a_killed_window_actor_is_told_what_it_held_and_the_verdict_counts_it() {
    let app = Setup::new().setting("window.allowed_lateness", "10m").start().await;
    let sales = sell(&app, 9).await;
    let of_store = sales.iter().filter(|sale| sale.store == "STORE_1").count() as u64;
    let shown = eventually("all sales to show in open windows", SOON, async || {
        let counted = sum_of(&app.windows().await);
        if counted.1 == 9 { Ok(counted) } else { Err(format!("{counted:?}")) }
    })
    .await;

    let verdict = app.recovers(WINDOW, &json!({"kind": "panic"})).await;

    assert_eq!((number(&verdict, "replayed"), number(&verdict, "duplicates")), (of_store, 0), "{verdict}");
    assert_eq!(sum_of(&app.windows().await), shown);
}

#[tokio::test]
async fn everybody_in_the_tree_comes_back_from_a_panic_and_no_sale_is_lost_or_doubled() {
    let app = Setup::new().roles("validation,aggregation,reporting,pos").setting("pos.rate", "40").start().await;
    sell(&app, 3).await;
    let everybody = app.actors().await;
    for kind in ["supervisor", "validator", "publisher", "flow", "intake", "router", "window", "outbox", "generator"] {
        assert!(everybody.iter().any(|actor| actor.kind == kind), "no {kind}");
    }

    for actor in &everybody {
        let verdict = app.recovers(&actor.path, &json!({"kind": "panic"})).await;
        assert!(
            number(&verdict, "generation_after") > number(&verdict, "generation_before"),
            "{} {verdict}",
            actor.path
        );
        assert!(app.actor(&actor.path).await.generation > actor.generation, "{}", actor.path);
    }

    let pause = app.send(app.request("PUT", "/api/v1/generator", "admin").json(&json!({"rate": 0}))).await;
    assert_eq!(pause.json(), json!({"rate": 0, "running": false}));
    app.all_windows_are_final().await;
    app.faults_cost_nothing().await;
}

#[tokio::test]
async fn a_loss_that_is_not_known_yet_at_the_answer_shows_in_the_verdict_once_its_window_is_final() {
    let app = TestApp::start().await;
    let id = app.break_environment(&json!({"kind": "lose_sale", "seconds": 30})).await;
    let spoiled = Sale::new("STORE_3", 250);
    app.accept(&spoiled).await;
    app.over(id).await;
    // Aggregation never heard of the first one: without a second one its window would not be told as final.
    app.accept(&Sale::new("STORE_3", 1_000).at(spoiled.time)).await;

    let verdict = eventually("the verdict on a final window", SOON, async || {
        let record = app.get(&format!("/api/v1/faults/{id}"), "admin").await.json();
        let verdict = record["verdict"].clone();
        if verdict["open"]["count"] == 0 { Ok(verdict) } else { Err(record.to_string()) }
    })
    .await;

    assert_eq!(verdict["open"], json!({"count": 0, "cents": 0}));
    assert_eq!(verdict["lost"], json!({"count": 1, "cents": 250}));
    assert_eq!(verdict["double"], json!({"count": 0, "cents": 0}));
}

fn number(verdict: &Value, key: &str) -> u64 {
    verdict[key].as_u64().unwrap_or_else(|| panic!("{key} of {verdict}"))
}

#[tokio::test]
async fn an_actor_that_stops_or_fails_between_handling_and_reply_comes_back_and_the_till_tries_again() {
    let app = TestApp::start().await;
    let mut sales = sell(&app, 3).await;

    let verdict = app.recovers(WINDOW, &json!({"kind": "stop"})).await;
    assert_eq!(verdict["generation_after"], 2);
    let request = app.request("POST", &format!("/api/v1/actors/{PUBLISHER}/fault"), "admin");
    let armed = app.send(request.header("prefer", "respond-async").json(&json!({"kind": "panic_after"}))).await;
    sales.extend(sell(&app, 6).await);
    let record = app.over(armed.json()["id"].as_u64().unwrap()).await;

    assert_eq!((&record["state"], &record["kind"]), (&json!("recovered"), &json!("panic_after")), "{record}");
    all_counted_once(&app, &sales).await;
}

#[tokio::test]
async fn a_fault_whose_moment_does_not_come_is_disarmed_and_said_not_to_have_fired() {
    let app = TestApp::start().await;

    let record = app.fault("root.users", &json!({"kind": "panic_after", "seconds": 0.2})).await;

    assert_eq!((&record["state"], &record["verdict"]), (&json!("not_fired"), &Value::Null));
    assert_eq!(app.actor("root.users").await.generation, 1);
    let all = app.get("/api/v1/faults", "admin").await.json();
    assert_eq!(all, json!([record]));
}

#[tokio::test]
async fn a_hung_actor_is_found_and_restarted_in_place() {
    let app = with_a_quick_watchdog().start().await;
    let mut sales = sell(&app, 3).await;

    let verdict = app.recovers(WINDOW, &json!({"kind": "hang"})).await;
    sales.extend(sell(&app, 3).await);

    assert_eq!((&verdict["generation_after"], &verdict["disturbed"]), (&json!(2), &json!([])));
    all_counted_once(&app, &sales).await;
}

#[tokio::test]
async fn a_blocked_thread_is_abandoned_and_what_ran_on_it_starts_afresh_on_another() {
    let app = with_a_quick_watchdog().start().await;
    let mut sales = sell(&app, 3).await;

    let verdict = app.recovers(WINDOW, &json!({"kind": "block", "seconds": 8})).await;
    sales.extend(sell(&app, 6).await);

    let disturbed = verdict["disturbed"].as_array().unwrap();
    assert!(disturbed.contains(&json!("root.pipeline.router")), "{verdict}");
    assert!(!disturbed.iter().any(|path| path.as_str().unwrap().starts_with("root.session")), "{verdict}");
    assert_eq!(app.get("/health/live", "").await.status, 200);
    all_counted_once(&app, &sales).await;
}

#[tokio::test]
async fn supervisors_whose_thread_was_replaced_go_on_bringing_actors_back() {
    let app = with_a_quick_watchdog().start().await;
    let mut sales = sell(&app, 3).await;

    for supervisor in ["root", "root.session"] {
        let verdict = app.recovers(supervisor, &json!({"kind": "block", "seconds": 4})).await;
        assert!(!verdict["disturbed"].to_string().contains(PUBLISHER), "{verdict}");
    }
    for order in [json!({"kind": "block", "seconds": 4}), json!({"kind": "panic"})] {
        app.recovers(PUBLISHER, &order).await;
        app.recovers(WINDOW, &order).await;
    }
    sales.extend(sell(&app, 3).await);

    all_counted_once(&app, &sales).await;
}

#[tokio::test]
async fn more_abandoned_threads_than_are_allowed_end_the_process_and_nothing_answered_is_lost() {
    let mut app = with_a_quick_watchdog().setting("watchdog.max_zombies", "0").start().await;
    let sales = sell(&app, 6).await;

    let request = app.request("POST", &format!("/api/v1/actors/{PUBLISHER}/fault"), "admin");
    let armed = request.header("prefer", "respond-async").json(&json!({"kind": "block", "seconds": 60}));
    assert_eq!(app.send(armed).await.status, 202);
    let status = app.ends().await;
    app.start_again().await;

    assert_eq!(status.code(), Some(70), "{status}");
    app.prints(|printed| printed.contains("blocked")).await;
    all_counted_once(&app, &sales).await;
}

#[tokio::test]
async fn a_supervisor_that_panics_comes_back_and_its_children_do_not_notice() {
    let app = TestApp::start().await;
    let mut sales = sell(&app, 3).await;

    let verdict = app.recovers("root.pipeline", &json!({"kind": "panic"})).await;
    sales.extend(sell(&app, 3).await);

    assert_eq!(verdict["disturbed"], json!([]));
    for actor in app.actors().await {
        let expected = if actor.path == "root.pipeline" { 2 } else { 1 };
        assert_eq!(actor.generation, expected, "{}", actor.path);
    }
    all_counted_once(&app, &sales).await;
}

#[tokio::test]
async fn only_an_admin_breaks_what_is_there_and_only_where_it_is_allowed() {
    let app = TestApp::start().await;
    let panic = json!({"kind": "panic"});
    let as_till = app.request("POST", &format!("/api/v1/actors/{PUBLISHER}/fault"), "pos-service").json(&panic);
    assert_eq!(app.send(as_till).await.status, 403);
    let unknown = app.break_actor("root.session.nobody", &panic).await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.text.contains("root.session.nobody"), "{}", unknown.text);
    for bad in [json!({}), json!({"kind": "explode"}), json!({"kind": "block", "seconds": 0}), json!([])] {
        assert_eq!(app.break_actor(PUBLISHER, &bad).await.status, 422, "{bad}");
    }
    assert_eq!(app.actor(PUBLISHER).await.generation, 1);

    let safe = Setup::new().setting("faults.enabled", "false").start().await;
    let refused = safe.break_actor(PUBLISHER, &panic).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("faults.enabled"), "{}", refused.text);
    assert_eq!(safe.actor(PUBLISHER).await.generation, 1);
}

#[tokio::test]
async fn the_log_says_who_broke_what_and_what_came_of_it_and_never_a_password() {
    let app = TestApp::start().await;
    app.recovers(PUBLISHER, &json!({"kind": "panic"})).await;

    let of_the_fault = |line: &&str, word: &str| line.contains(PUBLISHER) && line.contains(word);
    let about = |printed: &str, word: &str| printed.lines().filter(|line| of_the_fault(line, word)).count();
    let is_named = |line: &str| line.contains("user.name") && line.contains("admin");
    let printed = app.prints(|printed| about(printed, "fault.verdict") >= 1 && printed.lines().any(is_named)).await;
    assert_eq!((about(&printed, "on purpose"), about(&printed, "fault.verdict")), (1, 1), "{printed}");
    for password in app.users().passwords() {
        assert!(!printed.contains(&password), "a password is in the output");
    }
}

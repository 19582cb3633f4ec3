//! The live page's stream over the real process: sales as they come, actors that fail, logins, and connections that are lost.
//! What a browser makes of it is looked at in a browser.

use std::time::Duration;

use serde_json::json;

use crate::support::{Sale, Setup, TestApp, cents_of, eventually};

const SOON: Duration = Duration::from_secs(60);
const WINDOW: &str = "root.pipeline.windows.STORE_1";

#[tokio::test]
async fn a_page_shows_the_sales_of_the_tills_and_what_became_of_them() {
    let app = Setup::new().roles("validation,aggregation,reporting,pos").setting("pos.rate", "40").start().await;
    let mut page = app.open_page("reporting-service", None).await;

    let hello = page.next().await.unwrap();
    assert_eq!((hello.name.as_str(), &hello.data["role"], hello.id), ("hello", &json!("reporting"), None));
    assert_eq!(page.next().await.unwrap().name, "snapshot");
    page.until("sales", |model| model["company"]["accepted_count"].as_u64().filter(|count| *count > 20)).await;
    page.until("a rate of them", |model| model["company"]["sales_per_second"].as_f64().filter(|rate| *rate > 0.0))
        .await;
    page.until("what validation took", |model| model["outcomes"]["accepted"].as_u64().filter(|count| *count > 20))
        .await;
    page.until("stores", |model| model["stores"].as_object().filter(|stores| stores.len() == 10).map(|_| ())).await;
    page.until("a final window", |model| {
        let windows = model["company"]["windows"].as_object()?;
        windows.values().any(|window| window["final_stores"].as_u64() > Some(0)).then_some(())
    })
    .await;
    assert_eq!(page.model["generator"], json!({"rate": 40}));
    assert_eq!(page.model["process"]["degraded"], json!({}));
    assert!(page.model["actors"]["root.reporting.ledger"]["since"].is_string());
}

#[tokio::test]
async fn what_a_page_shows_of_a_store_is_what_turnover_and_ledger_say() {
    let app = TestApp::start().await;
    for cents in [258, 1_044, 99] {
        app.accept(&Sale::new("STORE_7", cents)).await;
    }
    app.windows_when_final(3).await;
    let mut page = app.open_page("admin", None).await;
    page.until("a ledger that has settled", |model| {
        let ledger = &model["stores"]["STORE_7"]["ledger"];
        (ledger["in_windows"] == json!({"count": 3, "amount": "14.01"}) && ledger["open"]["count"] == 0).then_some(())
    })
    .await;
    let store = &page.model["stores"]["STORE_7"];
    assert_eq!((&store["accepted"], &store["turnover"]), (&json!("14.01"), &json!("14.01")));
    assert_eq!(store["ledger"]["imbalance"], json!({"count": 0, "amount": "0.00"}));
    assert_eq!(
        (&page.model["ledger"]["balanced"], &page.model["company"]["turnover"]),
        (&json!(true), &json!("14.01"))
    );
    let of_windows = |windows: &serde_json::Value| -> i64 {
        let windows = windows.as_object().unwrap().values();
        windows.map(|window| cents_of(window["amount"].as_str().unwrap())).sum()
    };
    assert_eq!(of_windows(&store["windows"]), 1_401);
    assert_eq!(of_windows(&page.model["company"]["windows"]), 1_401);
    let found = app.get("/api/v1/stores?search=e_7", "reporting-service").await.json();
    assert_eq!((&found["matching"], &found["stores"][0]["windows"]), (&json!(1), &store["windows"]));
}

#[tokio::test]
async fn a_killed_actor_shows_with_its_failure_and_its_next_generation_and_the_fault_with_its_verdict() {
    let app = TestApp::start().await;
    app.accept(&Sale::new("STORE_1", 258)).await;
    let mut page = app.open_page("admin", None).await;
    page.until("the window actor", |model| (model["actors"][WINDOW]["state"] == "running").then_some(())).await;

    app.recovers(WINDOW, &json!({"kind": "panic"})).await;

    page.until("its next generation", |model| {
        let actor = &model["actors"][WINDOW];
        let is_back = actor["generation"] == 2 && actor["state"] == "running" && actor["restarts"] == 1;
        (is_back && actor["last_failure"].as_str().is_some_and(|text| !text.is_empty())).then_some(())
    })
    .await;
    page.until("the verdict", |model| {
        let fault = &model["faults"]["1"];
        (fault["state"] == "recovered" && fault["verdict"]["generation_after"] == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_page_outlives_the_painter_and_a_reporting_that_takes_seconds_to_come_back() {
    let app =
        Setup::new().setting("supervision.backoff_min", "3s").setting("supervision.backoff_max", "3s").start().await;
    let mut page = app.open_page("admin", None).await;
    for path in ["root.reporting.turnover", "root.live"] {
        let order = app.request("POST", &format!("/api/v1/actors/{path}/fault"), "admin");
        let order = order.header("prefer", "respond-async").json(&json!({"kind": "panic"}));
        assert_eq!(app.send(order).await.status, 202);
    }
    page.until("the painter's next generation", |model| {
        (model["actors"]["root.live"]["generation"] == 2).then_some(())
    })
    .await;
    page.until("reporting that answers", |model| {
        let turnover = &model["actors"]["root.reporting.turnover"];
        (turnover["generation"] == 2 && model["reporting"]["answers"] == true).then_some(())
    })
    .await;
}

#[tokio::test]
async fn only_readers_and_admins_may_watch_and_a_browser_is_asked_who_it_is() {
    let app = TestApp::start().await;
    for path in ["/", "/page/app.js", "/api/v1/events", "/api/v1/stores"] {
        let nobody = app.get(path, "").await;
        assert_eq!((nobody.status, nobody.header("www-authenticate").starts_with("Basic ")), (401, true), "{path}");
        for user in ["pos-service", "aggregation-service"] {
            assert_eq!(app.get(path, user).await.status, 403, "{path} {user}");
        }
    }
    let page = app.get("/", "reporting-service").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none';"));
}

#[tokio::test]
async fn a_page_that_was_away_gets_what_it_missed_and_after_a_restart_of_the_service_everything() {
    let mut app = TestApp::start().await;
    app.accept(&Sale::new("STORE_1", 258)).await;
    let mut page = app.open_page("admin", None).await;
    page.until("the sale", |model| (model["company"]["accepted_count"] == 1).then_some(())).await;
    let (known, last) = (page.model.clone(), page.last.clone().unwrap());
    drop(page);
    let mut stays = app.open_page("admin", None).await;
    app.accept(&Sale::new("STORE_2", 258)).await;

    let mut again = app.open_page("admin", Some(&last)).await;
    again.model = known;
    assert_eq!(again.next().await.unwrap().name, "hello");
    assert_eq!(again.next().await.unwrap().name, "change", "what was missed is short");
    again.until("the second sale", |model| (model["company"]["accepted_count"] == 2).then_some(())).await;
    assert_eq!(again.model["stores"]["STORE_2"]["accepted"], "2.58");

    let last = again.last.clone().unwrap();
    app.sigkill();
    while stays.next().await.is_some() {}
    app.start_again().await;
    let mut after = app.open_page("admin", Some(&last)).await;
    assert_eq!(after.next().await.unwrap().name, "hello");
    assert_eq!(after.next().await.unwrap().name, "snapshot", "another process knows nothing of that number");
    after.until("both sales", |model| (model["company"]["accepted_count"] == 2).then_some(())).await;
}

#[tokio::test]
async fn open_pages_do_not_keep_the_service_from_stopping_and_are_told_that_it_stops() {
    let mut app = TestApp::start().await;
    let mut pages = Vec::new();
    for _ in 0..20 {
        pages.push(app.open_page("reporting-service", None).await);
    }
    assert!(app.stop().await.success(), "{}", app.printed());
    assert!(!app.printed().contains("drain unfinished"), "{}", app.printed());
    for mut page in pages {
        while page.next().await.is_some() {}
    }
}

#[tokio::test]
async fn pages_are_counted_and_one_too_many_is_asked_to_come_again() {
    let app = Setup::new().setting("live.max_pages", "3").start().await;
    let frames = async |kind: &str| app.metric("live_frames_total", &format!("kind=\"{kind}\"")).await;
    assert_eq!((frames("snapshot").await, frames("change").await), (0.0, 0.0));
    let mut pages = Vec::new();
    for _ in 0..3 {
        let mut page = app.open_page("admin", None).await;
        page.until("a change", |model| (!model.is_null()).then_some(())).await;
        pages.push(page);
    }
    assert_eq!(app.metric("live_pages", "").await, 3.0);
    let refused = app.watch("admin", None).await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (503, true));
    assert_eq!(app.metric("live_refused_total", "reason=\"full\"").await, 1.0);
    drop(pages);
    eventually("the pages to be closed", SOON, async || match app.metric("live_pages", "").await {
        0.0 => Ok(()),
        open => Err(format!("{open} are open")),
    })
    .await;
}

#[tokio::test]
async fn a_user_who_opens_pages_without_end_leaves_half_of_the_places_to_the_others() {
    let app = Setup::new().setting("live.max_pages", "4").setting("live.max_pages_per_user", "2").start().await;
    let _pages = [app.open_page("reporting-service", None).await, app.open_page("reporting-service", None).await];
    for _ in 0..3 {
        let refused = app.watch("reporting-service", None).await;
        assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (429, true));
    }
    assert_eq!(app.metric("live_refused_total", "reason=\"user\"").await, 3.0);
    let mut other = app.open_page("admin", None).await;
    other.until("both users' pages", |model| (model["process"]["pages"] == 3).then_some(())).await;
}

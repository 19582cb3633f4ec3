//! The audit files of a real process: there whatever the level of the log, after a restart, bounded, and no reason to refuse a
//! sale when the disk is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{SALES, Sale, Setup, SmallDisk, TestApp, eventually};

const SOON: Duration = Duration::from_secs(60);

fn directory(app: &TestApp) -> PathBuf {
    app.setup().data_dir().join("audit")
}

/// The records of a file, whole ones only.
pub fn records(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The records of a file of this process, once there are so many that match.
pub async fn recorded(app: &TestApp, file: &str, count: usize, matches: impl Fn(&Value) -> bool) -> Vec<Value> {
    let path = directory(app).join(file);
    eventually("the audit files to have the records", SOON, async || {
        let found: Vec<_> = records(&path).into_iter().filter(&matches).collect();
        if found.len() >= count { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await
}

/// A sale whose total is wrong by a cent, so that it is corrected.
fn wrong_total() -> Value {
    let mut sale = Sale::new("STORE_2", 258).json();
    sale["total_amount"] = json!(2.59);
    sale
}

#[tokio::test]
async fn d31_refusals_are_in_files_of_their_own_whatever_is_logged_and_survive_a_restart() {
    let mut app = Setup::new().setting("log.filter", "error").start().await;
    for life in 1..=2 {
        assert_eq!(app.send(app.request("POST", SALES, "").json(&json!({}))).await.status, 401);
        assert_eq!(app.post("{}").await.status, 422);
        let corrected = app.post(wrong_total().to_string()).await;
        assert_eq!(corrected.status, 200, "{}", corrected.text);
        app.accept(&Sale::new("STORE_1", 258)).await;

        let refused = recorded(&app, "access.jsonl", life, |record| record["verdict"] == "unauthorised").await;
        let rejected = recorded(&app, "sales.jsonl", life, |record| record["verdict"] == "rejected").await;
        let corrected = recorded(&app, "sales.jsonl", life, |record| record["verdict"] == "corrected").await;

        assert_eq!([refused.len(), rejected.len(), corrected.len()], [life; 3]);
        assert!(rejected.iter().all(|record| record["rules"].as_array().is_some_and(|rules| !rules.is_empty())));
        assert_eq!(
            (&corrected[0]["store_id"], &corrected[0]["corrected"]),
            (&json!("STORE_2"), &json!(["total_amount"]))
        );
        app.sigkill();
        app.start_again().await;
    }
    assert_eq!(records(&directory(&app).join("sales.jsonl")).len(), 4, "an accepted sale leaves no record");
}

#[tokio::test]
async fn what_an_admin_breaks_and_changes_is_recorded_with_name_and_outcome() {
    let mut app = Setup::new().roles("validation,aggregation,reporting,pos").start().await;
    app.becomes_ready().await;
    let fault = app.fault("root.pipeline.router", &json!({"kind": "panic"})).await;
    let order = app.request("PUT", "/api/v1/log", "admin").json(&json!({"filter": "info"}));
    assert_eq!(app.send(order).await.status, 200);
    let refresh = app.send(app.request("POST", "/api/v1/secrets/refresh", "admin")).await;
    assert_eq!(refresh.status, 200, "{}", refresh.text);
    let rate = app.request("PUT", "/api/v1/generator", "admin").json(&json!({"rate": 0}));
    assert_eq!(app.send(rate).await.status, 200);

    let faults = recorded(&app, "access.jsonl", 2, |record| record["verdict"] == "fault").await;

    assert!(faults.iter().all(|record| record["fault_id"] == fault["id"]), "{faults:?}");
    let asked = faults.iter().find(|record| record["what"] == "panic").unwrap();
    let over = faults.iter().find(|record| record["what"].as_str().unwrap().starts_with("panic: recovered")).unwrap();
    assert_eq!((&asked["who"], &asked["address"]), (&json!(app.users().named("admin").0), &json!("127.0.0.1")));
    assert_eq!([&asked["object"], &over["object"]], ["root.pipeline.router"; 2]);
    for (verdict, what) in
        [("log_filter", "info"), ("secrets_refresh", "changed: [], kept: []"), ("generator", "rate 0")]
    {
        let records = recorded(&app, "access.jsonl", 1, |record| record["verdict"] == verdict).await;
        assert_eq!((records.len(), &records[0]["what"]), (1, &json!(what)));
    }
}

#[tokio::test]
async fn a_record_is_a_log_line_too_where_that_is_wanted_and_only_there() {
    for (wanted, lines) in [("false", 0), ("true", 1)] {
        let setup = Setup::new().setting("log.filter", "error").setting("log.format", "json");
        let app = setup.setting("audit.log", wanted).start().await;
        assert_eq!(app.send(app.request("POST", SALES, "").json(&json!({}))).await.status, 401);
        recorded(&app, "access.jsonl", 1, |_| true).await;
        eventually("the log to have the record, or not", SOON, async || {
            let printed = app.printed();
            let found = printed.lines().filter(|line| line.contains(r#""verdict":"unauthorised""#)).count();
            if found == lines { Ok(()) } else { Err(printed) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_flood_of_rejected_sales_fills_so_many_files_and_no_more() {
    const FLOOD: usize = 12_000;
    let app = Setup::new().setting("audit.keep", "2").setting("audit.max_file", "1048576").start().await;
    for _ in 0..FLOOD / 100 {
        let answers = futures_util::future::join_all((0..100).map(|_| app.post("{}"))).await;
        assert!(answers.iter().all(|answer| answer.status == 422));
    }
    let path = directory(&app);
    eventually("every record to be written", SOON, async || {
        let written = app.metric("audit_records_total", "verdict=\"rejected\"").await;
        if written >= 12_000.0 { Ok(()) } else { Err(written.to_string()) }
    })
    .await;

    let mut files: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap()).collect();
    files.retain(|file| file.file_name() != "lock");
    let of_sales = files.iter().filter(|file| file.file_name().to_string_lossy().starts_with("sales."));
    let sizes: Vec<_> = of_sales.map(|file| file.metadata().unwrap().len()).collect();

    assert_eq!((sizes.len(), files.len()), (2, 3), "{files:?}");
    assert!(sizes.iter().all(|size| (1..=1 << 20).contains(size)), "{sizes:?}");
    assert!(!path.join("sales.000001.jsonl").exists(), "the flood is larger than what is kept");
    assert_eq!(app.metric("audit_records_lost_total", "").await, 0.0);
}

#[tokio::test]
async fn a_disk_that_is_full_loses_records_with_a_count_and_refuses_no_sale() {
    const SAID: &str = "audit records cannot be written";
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.home().join("disk"), 2);
    let audit = disk.folder().join("audit");
    let app = setup.setting("audit.directory", audit.to_str().unwrap()).start().await;
    disk.fill();
    let mut sent = 0;
    eventually("records to be lost", SOON, async || {
        sent += 100;
        for answer in futures_util::future::join_all((0..100).map(|_| app.post("{}"))).await {
            assert_eq!(answer.status, 422, "{}", answer.text);
        }
        let lost = app.metric("audit_records_lost_total", "").await;
        if lost >= 100.0 { Ok(()) } else { Err(format!("{lost} of {sent}")) }
    })
    .await;
    app.accept(&Sale::new("STORE_1", 100)).await;
    let printed = app.prints(|printed| printed.contains(SAID)).await;
    assert_eq!(printed.matches(SAID).count(), 1, "{printed}");

    disk.make_room();
    // A broker in a process of its own has the same settings, and whichever of the two records first has the directory.
    let file = || {
        let files = ["audit", "audit-2"].map(|name| disk.folder().join(name).join("sales.jsonl"));
        files.into_iter().max_by_key(|file| records(file).len()).unwrap()
    };
    let before = records(&file()).len();
    assert_eq!(app.post("{}").await.status, 422);
    eventually("records to be written again", SOON, async || {
        let now = records(&file()).len();
        if now > before { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    let text = fs::read_to_string(file()).unwrap();
    assert_eq!(text.lines().count(), records(&file()).len(), "no line is torn");
}

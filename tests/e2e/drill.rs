//! The proof: whatever is killed, hung, blocked, stalled or filled, nothing is lost and nothing counted twice, by the
//! account of a load that knows the service from outside only.
//! The soak asks for more: TILLSTREAM_TEST_DRILL_FAULTS, TILLSTREAM_TEST_DRILL_KILLS, TILLSTREAM_TEST_DRILL_FULL_DISKS.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Drill, Setup, SmallDisk, count_from, pause};

/// Sales per second of the load.
const LOAD: &str = "1000";

/// The longest silence that a drill may need at its beginning and end, on a busy machine.
const REST: Duration = Duration::from_secs(240);

#[tokio::test]
async fn seeded_faults_of_all_kinds_under_load_lose_nothing_and_double_nothing() {
    let faults = count_from("TILLSTREAM_TEST_DRILL_FAULTS", 70);
    let app = impatient().start().await;
    let mut drill = Drill::start(&app, &["--faults", &faults.to_string(), "--load", LOAD]);

    let time_for_faults = Duration::from_secs(faults * 10);
    let (code, report) = drill.ends(REST + time_for_faults).await;

    assert_nothing_lost(code, &report);
    assert_eq!(report["faults"].as_array().unwrap().len() as u64, faults, "{}", drill.tail());
}

#[tokio::test]
async fn kills_of_the_whole_process_under_load_lose_nothing_and_double_nothing() {
    let kills = count_from("TILLSTREAM_TEST_DRILL_KILLS", 4);
    let mut app = impatient().start().await;
    let mut drill = Drill::start(&app, &["--faults", "0", "--duration", &format!("{}s", kills * 4), "--load", LOAD]);
    drill.says("load", REST).await;

    for kill in 0..kills {
        // Not in step with windows, commits or each other.
        pause(Duration::from_millis(1_100 + kill * 373 % 1_900)).await;
        app.sigkill();
        app.start_again().await;
    }
    let (code, report) = drill.ends(REST * 2).await;

    assert_nothing_lost(code, &report);
    assert!(count(&report, "/load/retries") > 0, "no kill was felt: {report:#}");
}

#[tokio::test]
async fn a_disk_that_fills_up_under_load_loses_nothing_and_heals_by_itself() {
    for _ in 0..count_from("TILLSTREAM_TEST_DRILL_FULL_DISKS", 1) {
        fill_and_heal().await;
    }
}

/// Open windows need thousands of unacknowledged sales; what does not fit goes to the journal.
#[tokio::test]
async fn a_flow_that_may_hold_a_hundred_sales_carries_a_thousand_per_second() {
    let limits = ["broker.max_unacked", "solace.max_unacked", "smf.max_unacked"];
    let setup = limits.iter().fold(Setup::new(), |setup, limit| setup.setting(limit, "100"));
    let app = setup.start().await;
    let mut drill = Drill::start(&app, &["--faults", "0", "--duration", "8s", "--load", LOAD]);
    drill.says("load", REST).await;
    pause(Duration::from_secs(5)).await;

    let held = app.metric("broker_unacknowledged", "sale_pos_transaction_aggregation_service").await;
    let (code, report) = drill.ends(REST * 2).await;

    assert!(held <= 100.0, "{held} unacknowledged");
    assert_nothing_lost(code, &report);
    assert!(count(&report, "/load/answered") > 1_000, "too few sales to need the journal: {report:#}");
}

async fn fill_and_heal() {
    let setup = impatient();
    let disk = SmallDisk::mount(&setup.home().join("disk"), 320);
    let mut app = setup.data(&disk.folder().join("data")).start().await;
    let mut drill = Drill::start(&app, &["--faults", "0", "--duration", "15s", "--load", LOAD]);
    drill.says("load", REST).await;
    pause(Duration::from_secs(3)).await;

    disk.fill();
    pause(Duration::from_secs(5)).await;
    disk.make_room();
    let (code, report) = drill.ends(REST * 2).await;

    assert_nothing_lost(code, &report);
    assert!(count(&report, "/load/statuses/503") > 0, "the full disk was not felt: {report:#}");
    assert!(app.is_alive());
}

/// A service that notices hangs quickly, so that many faults fit into little time.
fn impatient() -> Setup {
    Setup::new().setting("watchdog.hung_after", "400ms").setting("watchdog.blocked_after", "800ms")
}

#[track_caller]
pub fn assert_nothing_lost(code: Option<i32>, report: &Value) {
    assert_eq!(report["passed"], true, "{:#}\nreport: {report:#}", report["reasons"]);
    assert_eq!(code, Some(0));
    assert_eq!(report["account"]["lost"]["count"], 0);
    assert_eq!(report["account"]["double"]["count"], 0);
    assert!(count(report, "/load/answered") > 0);
}

pub fn count(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no `{pointer}` in {report:#}"))
}

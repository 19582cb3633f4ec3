//! A recorded file goes through `tillstream replay` and comes out as the file's own sums, twice, and under five kills.
//! `TILLSTREAM_TEST_REPLAY_SALES` sets how many sales (the soak uses 500,000).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::support::{Sale, Setup, TestApp, Window, count_from, eventually};

/// The file of the promise: tens of thousands of windows, and time for five kills in the middle.
const SALES: u64 = 100_000;

/// A replay that takes longer is stuck.
const REPLAY_WITHIN: Duration = Duration::from_secs(1_800);

/// Window size in this file: the default.
const WINDOW_SECONDS: i64 = 10;

/// Sums by store and start of the window: cents and count.
type Sums = BTreeMap<(String, i64), (i64, u64)>;

#[tokio::test]
async fn a_recorded_file_replayed_twice_is_the_files_own_sums_to_the_cent() {
    let mut app = setup().start().await;
    let (file, expected) = recording(&app, 1);
    let count = expected.values().map(|(_, count)| count).sum();

    let first = ends(&mut start_replay(&app, &file)).await;
    assert!(first.success(), "{first}");
    assert_eq!(sums(&app.windows_when_final(count).await, true), expected);

    let second = ends(&mut start_replay(&app, &file)).await;
    assert!(second.success(), "{second}");
    eventually("the second replay to be seen as duplicates", REPLAY_WITHIN, async || {
        let duplicates = app.metric("pos_duplicates_total", "").await;
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let all = count as f64;
        if duplicates >= all { Ok(()) } else { Err(format!("{duplicates} duplicates")) }
    })
    .await;
    assert_eq!(sums(&app.windows_when_final(count).await, true), expected);
    app.ledger_balances().await;
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn five_kills_during_the_replay_change_no_sum() {
    let mut app = setup().start().await;
    let (file, expected) = recording(&app, 2);
    let count: u64 = expected.values().map(|(_, count)| count).sum();
    let mut replay = start_replay(&app, &file);

    for _ in 0..5 {
        gets_through(&app, count / 12).await;
        app.sigkill();
        assert!(
            replay.try_wait().unwrap().is_none(),
            "the replay was over before the fifth kill: more sales are needed"
        );
        app.start_again().await;
    }

    let status = ends(&mut replay).await;
    assert!(status.success(), "{status}");
    assert_eq!(sums(&app.windows_when_final(count).await, false), expected);
    app.ledger_balances().await;
}

/// The default window size; lateness and idling shortened, because the last windows are waited for.
fn setup() -> Setup {
    Setup::new()
        .setting("window.size", "10s")
        .setting("window.disorder", "1s")
        .setting("window.idle", "3s")
        .setting("window.allowed_lateness", "10s")
}

/// Writes sales of ten stores, sorted by time, and adds them up.
fn recording(app: &TestApp, seed: u64) -> (PathBuf, Sums) {
    let count = count_from("TILLSTREAM_TEST_REPLAY_SALES", SALES);
    let path = app.setup().home().join("recording.ndjson");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let (mut sums, mut random) = (Sums::new(), fastrand::Rng::with_seed(seed));
    let mut time: DateTime<Utc> = Utc::now() - TimeDelta::hours(20);
    for _ in 0..count {
        time += TimeDelta::microseconds(random.i64(0..60_000));
        let sale = random_sale(&mut random, time);
        writeln!(file, "{}", sale.body()).unwrap();
        let sum = sums.entry((sale.store.clone(), sale.window_start(WINDOW_SECONDS))).or_default();
        *sum = (sum.0 + sale.cents, sum.1 + 1);
    }
    file.flush().unwrap();
    (path, sums)
}

fn random_sale(random: &mut fastrand::Rng, time: DateTime<Utc>) -> Sale {
    let mut sale = Sale::new(&format!("STORE_{}", random.u8(1..=10)), random.i64(1..=25_000)).at(time);
    sale.id = Uuid::from_u128(random.u128(..)).to_string();
    sale.cashier = format!("CASHIER_{}", random.u8(1..=8));
    sale
}

/// What the service says, in the file's shape; `punctual` also demands that nothing is late.
fn sums(windows: &[Window], punctual: bool) -> Sums {
    let mut sums = Sums::new();
    for window in windows {
        assert!(!punctual || window.late_count == 0, "late although the file is in order: {window:?}");
        let key = (window.store_id.clone(), window.window_start.timestamp());
        let sum = (window.total_amount + window.late_amount, window.transaction_count + window.late_count);
        assert!(sums.insert(key, sum).is_none(), "two rows for one window: {window:?}");
    }
    sums
}

fn start_replay(app: &TestApp, file: &Path) -> Child {
    let (user, password) = app.users().named("pos-service");
    let password_file = app.setup().home().join("password");
    std::fs::write(&password_file, password).unwrap();
    let arguments = [
        "replay",
        file.to_str().unwrap(),
        "--url",
        &app.url(),
        "--user",
        &user,
        "--password-file",
        password_file.to_str().unwrap(),
        "--concurrency",
        "10",
    ];
    let mut command = app.setup().command(&arguments);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
}

async fn ends(replay: &mut Child) -> ExitStatus {
    eventually("the replay to end", REPLAY_WITHIN, async || {
        replay.try_wait().unwrap().ok_or_else(|| "still running".to_owned())
    })
    .await
}

/// Waits until this life of the service has accepted so many sales.
async fn gets_through(app: &TestApp, count: u64) {
    eventually("the replay to get on", REPLAY_WITHIN, async || {
        let accepted = app.metric("pos_transactions_total", "outcome=\"accepted\"").await;
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let enough = accepted >= count as f64;
        if enough { Ok(()) } else { Err(format!("{accepted} accepted")) }
    })
    .await;
}

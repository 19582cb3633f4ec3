//! What a hundred lost sessions leave behind: nothing. Alone in its process, because it counts what a process has.
//! Does not measure memory; `cargo xtask soak` does, over hours.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod publishing;
mod scripted;

use std::time::Duration;

use publishing::{Bench, locally, quick, until};
use scripted::Script;
use tillstream_messages::LegState;
use tillstream_solace::SolaceSettings;

/// Threads of this process by their names; one per line for whoever reads a failure.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    // One that ended meanwhile has no name any more.
    tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect()
}

fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn sessions() -> f64 {
    let families = prometheus::gather();
    let family = families.iter().find(|family| family.name() == "solace_sessions").expect("it was set");
    family.get_metric()[0].get_gauge().get_value()
}

#[tokio::test]
async fn a_hundred_lost_sessions_leave_neither_threads_nor_files_nor_sessions_behind() {
    locally(async {
        let bench = Bench::with(Script::default(), SolaceSettings { backoff_min: Duration::from_millis(1), ..quick() });
        bench.up().await;
        // The first of each kind stay: the runtime's, the library's own.
        bench.broker.cut();
        until("the second session is up", || bench.broker.logins().len() == 2 && bench.state() == LegState::Up).await;
        until("the first is closed", || bench.broker.open() == 1 && sessions() == 1.0).await;
        let (some_threads, some_files) = (threads(), files());

        for round in 2..102 {
            bench.broker.cut();
            until("the next session is up", || bench.broker.logins().len() == round + 1).await;
            until("and the only one", || bench.broker.open() == 1).await;
        }

        bench.up().await;
        until("the sessions are closed", || sessions() == 1.0).await;
        until("the files are closed", || files() <= some_files).await;
        until(&format!("as many threads as before: {some_threads:?}"), || threads().len() <= some_threads.len()).await;
    })
    .await;
}

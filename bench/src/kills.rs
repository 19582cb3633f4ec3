//! Durable 200s per second while one actor is killed every 100 ms, beside the undisturbed rate in alternating rounds; then
//! how long each kind of actor takes to come back, by a drill that keeps an account.
//! Does not check what was counted: the drill does, and fails this measurement with it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::Options;
use crate::child::{Measured, basic};
use crate::client::Connection;
use crate::wrk::{self, Report};

const EVERY: Duration = Duration::from_millis(100);

/// The pace of the kills is far beyond any sensible budget; what is measured is restarting, not giving up.
const BUDGET: [(&str, &str); 1] = [("TILLSTREAM__SUPERVISION__MAX_RESTARTS", "100000")];

/// Enough for a 99th percentile of the whole; each kind has its share.
const PANICS: &str = "600";

/// Prints both tables.
pub async fn measure(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    println!("### Durable 200s while one actor is killed every 100 ms ({} s a round)\n", options.seconds);
    println!("| round | undisturbed req/s | with kills req/s | ratio | kills | not 200 (undisturbed, with kills) |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for round in 1..=options.rounds {
        let service = Measured::service(options, folder.path(), &BUDGET)?;
        let calm = wrk::run(&service, options.seconds, 5_000 + round).await?;
        let (report, kills) = with_kills(&service, folder.path(), options.seconds, 6_000 + round).await?;
        let ratio = report.rate / calm.rate;
        println!(
            "| {round} | {:.0} | {:.0} | {ratio:.2} | {kills} | {}, {} |",
            calm.rate, report.rate, calm.bad, report.bad
        );
    }
    println!();
    restarts(options).await
}

/// A drill of panics only, over all kinds of actors.
async fn restarts(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Measured::service(options, folder.path(), &BUDGET)?;
    let (password, report) = (folder.path().join("admin.password"), folder.path().join("drill.json"));
    std::fs::write(&password, crate::child::password(folder.path(), "admin")?)?;
    let mut drill = tokio::process::Command::new(options.program("tillstream")?);
    drill.args(["chaos", "--url", &service.url(), "--user", "admin", "--seed", "1", "--faults", PANICS]);
    drill.args(["--kinds", "panic", "--load", "500", "--password-file"]).arg(password).arg("--report").arg(&report);
    let status = drill.stdout(Stdio::null()).kill_on_drop(true).status().await.context("start the drill")?;
    if !status.success() {
        bail!("the drill ended with {status}: run it by hand to see why");
    }
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&report)?)?;
    println!("### Restart by kind of actor: {PANICS} panics, one after the other, under 500 sales/s\n");
    println!("| actor | restarts | detected p50 ms | p99 ms | running again p50 ms | p99 ms | max ms |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (actor, figures) in report["by_actor"].as_object().context("read the drill's report")? {
        let time = |of: &str, which: &str| figures[of][which].as_f64().unwrap_or(f64::NAN);
        println!(
            "| {actor} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            figures["recovered"],
            time("detection", "p50_ms"),
            time("detection", "p99_ms"),
            time("restart", "p50_ms"),
            time("restart", "p99_ms"),
            time("restart", "max_ms"),
        );
    }
    println!();
    Ok(())
}

async fn with_kills(service: &Measured, data: &Path, seconds: u64, run: u32) -> Result<(Report, u64)> {
    let mut connection = Connection::open(&service.address, &basic(data, "admin")?).await?;
    let mut kills = 0;
    let killing = async {
        let mut actors = Vec::new().into_iter();
        loop {
            tokio::time::sleep(EVERY).await;
            let Some(actor) = actors.next() else {
                actors = actors_of(&mut connection).await?.into_iter();
                continue;
            };
            let status = connection.kill(&actor).await?;
            if status != 202 {
                bail!("killing `{actor}` was answered with {status}");
            }
            kills += 1;
        }
    };
    let report = tokio::select! {
        report = wrk::run(service, seconds, run) => report?,
        failure = killing => return failure,
    };
    Ok((report, kills))
}

/// Every actor of the tree, supervisors left out.
async fn actors_of(connection: &mut Connection) -> Result<Vec<String>> {
    let (_, text) = connection.get("/api/v1/actors").await?;
    let (mut paths, mut nodes) = (Vec::new(), vec![serde_json::from_str::<Value>(&text).context("read the tree")?]);
    while let Some(node) = nodes.pop() {
        if node["kind"] != "supervisor" {
            paths.extend(node["path"].as_str().map(str::to_owned));
        }
        nodes.extend(node["children"].as_array().cloned().unwrap_or_default());
    }
    Ok(paths)
}

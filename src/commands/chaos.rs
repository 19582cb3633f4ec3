//! `tillstream chaos`: a drill against a running service, its table while it runs and its verdict as exit code.
//! Does not drill; the chaos room does.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tillstream_chaos::{FaultKind, Line, Options, Report, Script, Stop, Tempo, drill};
use tokio::sync::watch;

use super::{password, print};
use crate::cli::ChaosArgs;
use crate::shutdown::StopSignals;

const USUAL_LOAD: u32 = 200;
const USUAL_CALM: Duration = Duration::from_secs(15);

/// Runs a drill; failure when it is not passed.
pub async fn chaos(args: &ChaosArgs) -> anyhow::Result<ExitCode> {
    let options = options(args)?;
    let (tell, stop) = watch::channel(Stop::No);
    let listening = actix_rt::spawn(listen(StopSignals::listen()?, tell));
    let result = drill(&options, &say, stop).await;
    listening.abort();
    let report = result?;
    print::line(report.text().trim_end());
    if let Some(file) = &args.report {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, json).with_context(|| format!("write the report `{}`", file.display()))?;
    }
    Ok(code(&report))
}

/// The plan file says what the command line leaves open; what neither says has its default.
fn options(args: &ChaosArgs) -> anyhow::Result<Options> {
    let script = args.plan.as_deref().map(Script::read).transpose()?;
    let plan = script.clone().unwrap_or_default();
    let calm = if script.is_some() { Duration::ZERO } else { USUAL_CALM };
    Ok(Options {
        url: args.url.clone(),
        trust: args.trust.trust(),
        user: args.user.clone(),
        password: password::read(&args.password_file)?.into(),
        seed: args.seed.or(plan.seed).unwrap_or_else(|| fastrand::u64(..)),
        faults: args.faults.unwrap_or_default(),
        kinds: if args.kinds.is_empty() { FaultKind::usual() } else { args.kinds.clone() },
        targets: args.targets.clone(),
        load: args.load.or(plan.load).unwrap_or(USUAL_LOAD),
        stores: args.stores.or(plan.stores).unwrap_or_default(),
        script,
        duration: args.duration.or(plan.duration),
        calm: args.calm.unwrap_or(calm),
        settle_within: args.settle_within,
        tempo: Tempo::default(),
    })
}

fn say(line: Line<'_>) {
    match line {
        Line::Table(text) => print::line(text),
        Line::Note(text) => print::error_line(text),
    }
}

/// The first signal ends the faults, the second everything.
async fn listen(mut signals: StopSignals, tell: watch::Sender<Stop>) {
    let name = signals.next().await;
    print::error_line(&format!("{name}: no more faults, the account is settled; once more ends without a verdict"));
    tell.send_replace(Stop::Faults);
    signals.next().await;
    tell.send_replace(Stop::Now);
    // The sender must live: its end would say that nobody can tell any more.
    std::future::pending::<()>().await;
}

fn code(report: &Report) -> ExitCode {
    if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

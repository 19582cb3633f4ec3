//! `tillstream chaos`: a drill against a running service, its table while it runs and its verdict as exit code.
//! Does not drill; the chaos room does.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tillstream_chaos::{FaultKind, Line, Options, Report, Script, Second, Stop, Tempo, drill};
use tokio::sync::watch;

use super::{password, print};
use crate::cli::ChaosArgs;
use crate::shutdown::StopSignals;

const USUAL_LOAD: u32 = 200;
const USUAL_CALM: Duration = Duration::from_secs(15);
/// How often the password file is read again: a password may be rotated while a drill runs.
const PASSWORD_EVERY: Duration = Duration::from_secs(1);

/// Runs a drill; failure when it is not passed.
pub async fn chaos(args: &ChaosArgs) -> anyhow::Result<ExitCode> {
    let (password, known) = watch::channel(password::read(&args.password_file)?.into());
    let options = options(args, known)?;
    let timeline = args.timeline.as_deref().map(Timeline::create).transpose()?;
    let (tell, stop) = watch::channel(Stop::No);
    let listening = actix_rt::spawn(listen(StopSignals::listen()?, tell));
    let reading = actix_rt::spawn(follow(args.password_file.clone(), password));
    let result = drill(&options, &|line| say(line, timeline.as_ref()), stop).await;
    listening.abort();
    reading.abort();
    let report = result?;
    print::line(report.text().trim_end());
    if let Some(file) = &args.report {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, json).with_context(|| format!("write the report `{}`", file.display()))?;
    }
    Ok(code(&report))
}

/// The plan file says what the command line leaves open; what neither says has its default.
fn options(args: &ChaosArgs, password: watch::Receiver<SecretString>) -> anyhow::Result<Options> {
    let script = args.plan.as_deref().map(Script::read).transpose()?;
    let plan = script.clone().unwrap_or_default();
    let calm = if script.is_some() { Duration::ZERO } else { USUAL_CALM };
    Ok(Options {
        url: args.url.clone(),
        trust: args.trust.trust(),
        user: args.user.clone(),
        password,
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

fn say(line: Line<'_>, timeline: Option<&Timeline>) {
    match (line, timeline) {
        (Line::Table(text), _) => print::line(text),
        (Line::Note(text), _) => print::error_line(text),
        (Line::Second(second), Some(timeline)) => timeline.write(second),
        (Line::Second(_), None) => {}
    }
}

/// A file with one second a line.
struct Timeline {
    path: PathBuf,
    /// Gone once it could not be written.
    file: Mutex<Option<File>>,
}

impl Timeline {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("make the timeline `{}`", path.display()))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(Some(file)) })
    }

    /// A full disk must not end the drill, which has other things to prove.
    fn write(&self, second: &Second) {
        let mut slot = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = slot.as_mut() else { return };
        let written = serde_json::to_string(second)
            .map_err(std::io::Error::from)
            .and_then(|line| file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            print::error_line(&format!("the timeline `{}` ends here: {error}", self.path.display()));
            *slot = None;
        }
    }
}

/// What cannot be read now, because somebody writes it, is read a moment later.
async fn follow(file: PathBuf, password: watch::Sender<SecretString>) {
    loop {
        actix_rt::time::sleep(PASSWORD_EVERY).await;
        let Ok(found) = password::read(&file) else { continue };
        password.send_if_modified(|known| {
            let has_changed = known.expose_secret() != found;
            if has_changed {
                *known = found.into();
            }
            has_changed
        });
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

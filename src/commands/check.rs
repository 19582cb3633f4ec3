//! `tillstream check`: one line each on whether configuration, secrets, broker, certificate, token keys and limits are in order.
//! Changes nothing and makes nothing; what the first `run` will make is said to be missing, not wrong.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};
use tillstream_broker::{Broker, OpenError};
use tillstream_embedded::embedded_queues;
use tillstream_messages::SecretTree;
use tillstream_session::Backend;

use super::print;
use crate::cli::{CheckArgs, ConfigArgs};
use crate::settings::{BASE_FILE, Settings};
use crate::startup;

mod hand_over;
mod ready;
mod secrets;
#[cfg(feature = "solace")]
mod solace;

/// Files and connections that a busy process needs.
const OPEN_FILES: u64 = 1_024;

/// One line of the answer.
struct Line {
    subject: String,
    state: State,
}

enum State {
    /// As it must be.
    InOrder(String),
    /// It cannot be told from here, or not without changing something.
    Unknown(String),
    /// Wrong.
    Failed(String),
}

/// Checks what is asked for.
pub async fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let lines = match &args.ready {
        Some(base) => vec![Line::new("readiness", ready::ask(base, &args.trust.trust()).await)],
        None => everything(&args.config).await,
    };
    lines.iter().for_each(Line::print);
    let failed = lines.iter().any(|line| matches!(line.state, State::Failed(_)));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// All of it, also when something before is wrong.
async fn everything(args: &ConfigArgs) -> Vec<Line> {
    let settings = Settings::load(args);
    let mut lines = vec![Line::new("configuration", configuration(args, settings.as_ref()))];
    if let Ok(settings) = &settings {
        let (found, tree) = secrets::look(settings).await;
        lines.push(found);
        lines.extend(broker(settings, tree.as_deref()).await);
        lines.extend(hand_over::line(settings, tree.as_deref()).await);
        let certificate = startup::peek_certificate(&settings.tls).await.transpose();
        lines.extend(certificate.map(|found| Line::new("certificate", found)));
        let keys = startup::peek_token_keys(&settings.tokens).await.transpose();
        lines.extend(keys.map(|found| Line::new("token keys", found)));
        lines.push(Line::new("limits", limits(settings)));
    }
    lines
}

impl Line {
    fn new(subject: &str, finding: anyhow::Result<String>) -> Self {
        let state = finding.map_or_else(|error| State::Failed(format!("{error:#}")), State::InOrder);
        Self { subject: subject.to_owned(), state }
    }

    fn print(&self) {
        let (state, text) = match &self.state {
            State::InOrder(text) => ("ok", text),
            State::Unknown(text) => ("unknown", text),
            State::Failed(text) => ("failed", text),
        };
        print::line(&format!("{state:<7} {:<14} {text}", self.subject));
    }
}

fn configuration(
    args: &ConfigArgs,
    settings: Result<&Settings, &crate::settings::SettingsError>,
) -> anyhow::Result<String> {
    let settings = settings.map_err(|error| anyhow::anyhow!("{error}"))?;
    startup::check_support(settings)?;
    let base = Path::new(BASE_FILE).is_file().then(|| BASE_FILE.to_owned());
    let named = args.config.as_ref().map(|file| file.display().to_string());
    let files: Vec<_> = base.into_iter().chain(named).collect();
    let files = if files.is_empty() { "built-in defaults".to_owned() } else { files.join(", ") };
    Ok(format!("{files}; roles {}; data in `{}`", settings.roles, settings.data_dir.0.display()))
}

async fn broker(settings: &Settings, tree: Option<&SecretTree>) -> Vec<Line> {
    if !settings.roles.use_broker() {
        return vec![Line::new("broker", Ok("these roles need none".to_owned()))];
    }
    match settings.broker.backend {
        Backend::Embedded => vec![Line::new("broker", embedded_broker(settings, tree))],
        #[cfg(feature = "solace")]
        Backend::Solace => solace::lines(settings, tree).await,
        // The configuration's line has said so.
        #[cfg(not(feature = "solace"))]
        Backend::Solace => Vec::new(),
    }
}

fn embedded_broker(settings: &Settings, tree: Option<&SecretTree>) -> anyhow::Result<String> {
    let directory = settings.broker_dir();
    if !directory.exists() {
        return Ok(format!("`{}` is not there yet, the first run makes it", directory.display()));
    }
    let prefix = tree.map(startup::topic_prefix).transpose()?.unwrap_or_default();
    let queues = embedded_queues(prefix.as_str(), settings.rules.max_store, &settings.broker);
    match Broker::open(&directory, settings.broker.broker(), queues) {
        Ok(broker) => Ok(describe(&broker)),
        Err(OpenError::Locked(_)) => Ok(format!("`{}` is in use by a running process", directory.display())),
        Err(error) => Err(error).with_context(|| format!("open `{}`", directory.display())),
    }
}

fn describe(broker: &Broker) -> String {
    let stats = broker.stats();
    let waiting: u64 = stats.iter().map(|queue| queue.depth).sum();
    format!("embedded, {} queues, {waiting} messages stored", stats.len())
}

fn limits(settings: &Settings) -> anyhow::Result<String> {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let wanted = OPEN_FILES + smf_connections(settings) + tls_handshakes(settings);
    if files < wanted {
        bail!("only {files} open files are allowed, raise the limit to {wanted} (`ulimit -n {wanted}`)");
    }
    let place = existing(&settings.data_dir.0);
    access(place, Access::WRITE_OK).with_context(|| format!("write into `{}`", place.display()))?;
    let disk = statvfs(place).with_context(|| format!("look at the disk of `{}`", place.display()))?;
    let free = disk.f_bavail * disk.f_frsize;
    let needed = settings.broker.reserve_bytes * 2;
    if free < needed {
        bail!("`{}` has {} MiB free, at least {} MiB are needed", place.display(), free >> 20, needed >> 20);
    }
    Ok(format!("{files} open files, {} MiB free in `{}`", free >> 20, place.display()))
}

/// As many as the listener may hold, so that its clients take no file from the tills: those that are logged in, and as many
/// that are not yet.
fn smf_connections(settings: &Settings) -> u64 {
    let most = u64::try_from(settings.smf.max_connections).unwrap_or(u64::MAX);
    settings.smf.listen.map_or(0, |_| most.saturating_mul(2))
}

/// As many as may be under way, so that clients that never finish one take no file from the tills.
fn tls_handshakes(settings: &Settings) -> u64 {
    let most = settings.http.workers.saturating_mul(settings.tls.max_handshakes);
    if settings.tls.is_on() { u64::try_from(most).unwrap_or(u64::MAX) } else { 0 }
}

/// The directory itself or the nearest one above that exists.
fn existing(path: &Path) -> &Path {
    let found = path.ancestors().find(|path| path.exists());
    found.unwrap_or(Path::new("."))
}

//! `tillstream replay`: sends a recording to a running service and says what became of it.
//! Does not send; the tills' room does.

use std::fmt::Write;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tillstream_generator::{Credentials, ReplayOptions, ReplayProgress, ReplayReport};
use tokio::time::Instant;

use super::{password, print};
use crate::cli::ReplayArgs;

/// A service that is killed and started again has this long for one sale.
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a terminal a line says how far it is, this often.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Lines of trouble that are shown; the rest is counted.
const SHOWN: usize = 10;

/// Replays a file; failure when one transaction never got its 200.
pub async fn replay(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let options = ReplayOptions {
        file: args.file.clone(),
        url: args.url.clone(),
        trust: args.trust.trust(),
        credentials: Credentials { user: args.user.clone(), password: password::read(&args.password_file)?.into() },
        rate: args.rate,
        concurrency: usize::from(args.concurrency),
        deadline: GIVE_UP_AFTER,
        request_timeout: REQUEST_TIMEOUT,
    };
    let mut display = Display::new(std::io::stderr().is_terminal());
    let report = tillstream_generator::replay(options, |progress| display.show(progress)).await?;
    display.finish();
    print::line(summary(&report).trim_end());
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A bar on a terminal, a line now and then elsewhere.
enum Display {
    Bar(ProgressBar),
    Lines(Option<Instant>),
}

impl Display {
    fn new(is_terminal: bool) -> Self {
        if !is_terminal {
            return Self::Lines(None);
        }
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {elapsed} of about {duration}");
        Self::Bar(ProgressBar::new(0).with_style(style.expect("the template is a constant")))
    }

    fn show(&mut self, progress: &ReplayProgress) {
        let text = format!("{} answered, {} retries", progress.answered, progress.retries);
        match self {
            Self::Bar(bar) => {
                bar.set_length(progress.total_bytes);
                bar.set_position(progress.done_bytes);
                bar.set_message(text);
            }
            Self::Lines(last) if last.is_none_or(|last| last.elapsed() >= LINE_EVERY) => {
                *last = Some(Instant::now());
                let percent = progress.done_bytes * 100 / progress.total_bytes.max(1);
                print::error_line(&format!("{percent} %: {text}"));
            }
            Self::Lines(_) => {}
        }
    }

    fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Counts per status, then what went wrong.
fn summary(report: &ReplayReport) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a text takes a line");
    for (status, count) in &report.by_status {
        line(format!("status {status}: {count}"));
    }
    line(format!("retries: {}", report.retries));
    line(format!("seconds: {:.1}", report.elapsed.as_secs_f64()));
    if report.malformed > 0 {
        line(format!("not a transaction, not sent: {} lines", report.malformed));
    }
    for malformed in report.malformed_lines.iter().take(SHOWN) {
        line(format!("  line {}: {}", malformed.line, malformed.error));
    }
    if !report.unanswered.is_empty() {
        line(format!("never answered: {}", report.unanswered.len()));
    }
    for (number, unanswered) in report.unanswered.iter().take(SHOWN) {
        line(format!("  line {number}: {unanswered}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use tillstream_generator::MalformedLine;

    use super::*;

    #[test]
    fn the_summary_counts_per_status_and_names_lines_that_were_not_sent() {
        let report = ReplayReport {
            by_status: [(200, 98), (422, 1)].into(),
            malformed: 1,
            malformed_lines: vec![MalformedLine { line: 7, error: "not json".to_owned() }],
            retries: 3,
            ..ReplayReport::default()
        };
        let text = summary(&report);
        assert!(text.contains("status 200: 98\nstatus 422: 1\nretries: 3\n"));
        assert!(text.contains("  line 7: not json"));
    }
}

//! Which lines are wanted, and which may not be written whoever wants them.
//! Stricter than `RUST_LOG` elsewhere: a word that is neither a level nor `target=level` is an error, and not a target of that
//! name, because one slip would silence everything.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter};

/// Where panics are logged.
pub const PANIC: &str = "tillstream::panic";
/// Where the log speaks of itself.
pub const LOG: &str = "tillstream::log";
/// Records of the audit trail, where they are wanted in the log.
pub const AUDIT: &str = "audit";

/// The most that these may say, whatever filter is set. A client of Vault logs what it sends and gets, secrets included; and
/// a client of ours that sends garbage must not fill the log with errors that are not ours.
const QUIET: [(&str, LevelFilter); 4] = [
    ("actix_http", LevelFilter::OFF),
    ("actix_server", LevelFilter::WARN),
    ("rustify", LevelFilter::OFF),
    ("vaultrs", LevelFilter::OFF),
];

/// Longer than any that a person types.
const MAX_LENGTH: usize = 1_000;

/// What is logged.
#[derive(Debug, Clone)]
pub struct LogFilter {
    text: String,
    targets: Targets,
}

/// A text that is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// One of its parts is nothing.
    #[error("`{0}` is neither a level (off, error, warn, info, debug, trace) nor `target=level`")]
    Part(String),
    /// Nobody means that.
    #[error("a filter has at most {MAX_LENGTH} characters")]
    TooLong,
}

/// Keeps [`QUIET`] quiet, and spans away: nobody reads them in the log.
pub struct Quiet;

// === impl LogFilter ===

impl LogFilter {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As the subscriber takes it.
    pub fn targets(&self) -> Targets {
        self.targets.clone()
    }
}

impl FromStr for LogFilter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidFilter::TooLong);
        }
        let targets = text.split(',').map(str::trim).try_fold(Targets::new(), add)?;
        // What was promised is not hidden by a level: panics, and records where somebody wants them in the log.
        let targets = targets.with_target(PANIC, LevelFilter::ERROR).with_target(AUDIT, LevelFilter::INFO);
        Ok(Self { text: text.to_owned(), targets })
    }
}

fn add(targets: Targets, part: &str) -> Result<Targets, InvalidFilter> {
    let invalid = || InvalidFilter::Part(part.to_owned());
    // The library takes nothing for `error`.
    let level = |text: &str| text.parse().ok().filter(|_: &LevelFilter| !text.is_empty()).ok_or_else(invalid);
    let Some((target, text)) = part.split_once('=') else {
        return Ok(targets.with_default(level(part)?));
    };
    let is_named =
        !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-:.".contains(&byte));
    if is_named { Ok(targets.with_target(target, level(text)?)) } else { Err(invalid()) }
}

// === impl Quiet ===

impl Quiet {
    fn lets_through(metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= loudest(metadata.target())
    }
}

/// The most that this target may say.
fn loudest(target: &str) -> LevelFilter {
    let is_in = |part: &str| target.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    QUIET.iter().find(|(part, _)| is_in(part)).map_or(LevelFilter::TRACE, |(_, level)| *level)
}

impl<S: Subscriber> Filter<S> for Quiet {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        Self::lets_through(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::lets_through(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn filter(text: &str) -> LogFilter {
        text.parse().unwrap()
    }

    #[test]
    fn a_filter_is_levels_and_targets() {
        let targets = filter("warn, tillstream_window=debug,tillstream::http=off").targets();
        assert!(targets.would_enable("anything", &Level::WARN) && !targets.would_enable("anything", &Level::INFO));
        assert!(targets.would_enable("tillstream_window::router", &Level::DEBUG));
        assert!(!targets.would_enable("tillstream::http::auth", &Level::ERROR));
    }

    #[test]
    fn a_slip_is_an_error_and_does_not_silence_everything() {
        for text in
            ["", "inof", "info,", "tillstream_window", "a=loud", "a=", "=info", "a b=info", "[span]=info", "a=info=b"]
        {
            assert!(text.parse::<LogFilter>().is_err(), "{text}");
        }
        assert_eq!("x".repeat(MAX_LENGTH + 1).parse::<LogFilter>().unwrap_err(), InvalidFilter::TooLong);
    }

    #[test]
    fn panics_and_records_are_logged_whatever_the_level() {
        let targets = filter("off,tillstream::panic=off,audit=off").targets();
        assert!(targets.would_enable(PANIC, &Level::ERROR) && targets.would_enable(AUDIT, &Level::INFO));
        assert!(!targets.would_enable("tillstream", &Level::ERROR));
    }

    #[test]
    fn nobody_can_have_written_what_a_client_of_vault_sends() {
        for target in ["vaultrs", "vaultrs::client", "rustify::endpoint", "actix_http::h1"] {
            assert_eq!(loudest(target), LevelFilter::OFF, "{target}");
        }
        assert_eq!(loudest("actix_server::worker"), LevelFilter::WARN);
        assert_eq!([loudest("vaultrs_of_ours"), loudest("tillstream")], [LevelFilter::TRACE; 2]);
    }
}

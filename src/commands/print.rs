//! Writes to standard output and standard error, and prints the generated documents.
//! A reader that went away (`| head`) is no error.

use std::io::Write;
use std::process::ExitCode;

use tillstream_domain::TopicPrefix;
use tillstream_embedded::embedded_queues;

use crate::asyncapi;
use crate::cli::ConfigArgs;
use crate::http;
use crate::settings::Settings;
use crate::startup;

/// One line or several on standard output.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// One line on standard error.
pub fn error_line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// `tillstream openapi`.
pub fn openapi(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(args)?;
    line(http::Documents::new(&settings.rules.rules()).at_root());
    Ok(ExitCode::SUCCESS)
}

/// `tillstream asyncapi`: for the prefix of the secrets, if there are any.
pub fn asyncapi(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(args)?;
    let tree = startup::peek_secrets(&settings)?;
    let prefix = tree.as_deref().map_or_else(|| Ok(TopicPrefix::default()), startup::topic_prefix)?;
    let queues = embedded_queues(prefix.as_str(), settings.rules.max_store, &settings.broker);
    let http = http::Documents::new(&settings.rules.rules());
    line(&serde_json::to_string_pretty(&asyncapi::document(prefix.as_str(), &queues, &http))?);
    Ok(ExitCode::SUCCESS)
}

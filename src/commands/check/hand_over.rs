//! `tillstream check` where windows are published by another process: whether it is there and lets this one's user in.
//! Hands no window over: what it posts is refused for its content, after the user was let in.

use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use tillstream_handover::{Credentials, HandoverRules, ValidationClient};
use tillstream_messages::{AggregateRefused, SecretTree};

use super::Line;
use crate::roles::Role;
use crate::settings::Settings;
use crate::startup::hand_over_trust;

/// A password that has just been changed reaches both ends within seconds, but nobody waits longer for a line.
const PATIENCE: Duration = Duration::from_secs(3);
/// No window.
const NOTHING: &[u8] = b"{}";

/// One line, where aggregation runs without validation.
pub async fn line(settings: &Settings, tree: Option<&SecretTree>) -> Option<Line> {
    let roles = &settings.roles;
    let url = settings.window.validation_url.as_deref()?;
    if !roles.plays(Role::Aggregation) || roles.plays(Role::Validation) {
        return None;
    }
    // Without secrets the line about them has said so.
    Some(Line::new("hand-over", attempt(url, settings, tree?).await))
}

async fn attempt(url: &str, settings: &Settings, tree: &SecretTree) -> anyhow::Result<String> {
    let credentials = Credentials::of(tree)?;
    let rules = HandoverRules { patience: PATIENCE, request_timeout: PATIENCE, ..HandoverRules::default() };
    let client = ValidationClient::new(url, &hand_over_trust(settings), &credentials, rules)?;
    match client.hand_over(Bytes::from_static(NOTHING), None, |_| {}).await {
        Err(AggregateRefused::Invalid(_)) => Ok(format!("`{url}` lets user `{}` hand windows over", credentials.user)),
        Err(AggregateRefused::Unavailable(reason)) => bail!("`{url}`: {reason}"),
        Ok(()) => bail!("`{url}` takes what is no window: is it the service?"),
    }
}

//! Spawns the painter of the live model where reporting runs.
//! Does not serve pages; HTTP does.

use anyhow::Context;
use chrono::Utc;
use tillstream_supervision::{ActorSpec, Place, Supervisor};

use crate::http::Api;
use crate::live::{About, Live, Painter, Sources};
use crate::settings::Settings;

/// The pages' side, where there is something to watch.
///
/// # Errors
/// The tree refuses the painter.
pub fn spawn(settings: &Settings, api: &Api, root: &Supervisor, place: &Place) -> anyhow::Result<Option<Live>> {
    let Some((live, sales)) = api.live.clone().zip(api.doors.live.clone()) else { return Ok(None) };
    let sources = Sources {
        about: about(settings),
        health: api.health.clone(),
        tree: api.tree.clone(),
        faults: api.faults.clone(),
        sales,
        rate: api.doors.generator.clone(),
    };
    let pages = live.clone();
    let factory = move || Painter::new(pages.clone(), sources.clone());
    root.spawn(ActorSpec::new("live", "live"), place, factory).context("spawn the painter of the live page")?;
    Ok(Some(live))
}

fn about(settings: &Settings) -> About {
    About {
        roles: settings.roles.iter().map(|role| role.name()).collect(),
        backend: settings.broker.backend.as_str(),
        currency: settings.window.currency.clone(),
        window: settings.window.size,
        lateness: settings.window.allowed_lateness,
        faults_enabled: settings.faults.enabled,
        started: Utc::now(),
    }
}

//! The service's own till simulator, silenced for the drill and set back afterwards.
//! Does nothing where no simulator runs.

use std::time::Duration;

use reqwest::Method;

use crate::api::GeneratorState;
use crate::error::DrillError;
use crate::service::{Service, read};

const PATH: &str = "/api/v1/generator";
/// For one look while the drill runs.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// For setting it back.
const RESTORE_WITHIN: Duration = Duration::from_secs(15);

/// A silenced simulator, or none.
#[derive(Debug, Clone)]
pub(crate) struct Silenced {
    service: Service,
    rate: Option<u32>,
}

impl Silenced {
    /// Silences the simulator, if one runs.
    pub(crate) async fn begin(service: &Service, patience: Duration) -> Result<Self, DrillError> {
        let service = service.clone();
        let reply = match service.answered(Method::GET, PATH, None, patience).await {
            Err(DrillError::Unexpected { status: 404 | 405, .. }) => return Ok(Self { service, rate: None }),
            answered => answered?,
        };
        let state: GeneratorState = read(PATH, &reply)?;
        put(&service, 0, patience).await?;
        Ok(Self { service, rate: Some(state.rate) })
    }

    /// Its rate before; `None` where none runs.
    pub(crate) const fn rate(&self) -> Option<u32> {
        self.rate
    }

    /// A process that was killed and started again has its simulator back: silences it once more; true if it had to.
    pub(crate) async fn again(&self) -> bool {
        if self.rate.is_none() {
            return false;
        }
        let Ok(reply) = self.service.send(Method::GET, PATH, None, LOOK_WITHIN).await else { return false };
        let is_loud = read::<GeneratorState>(PATH, &reply).is_ok_and(|state| state.rate > 0);
        is_loud && put(&self.service, 0, LOOK_WITHIN).await.is_ok()
    }

    /// Sets it back as it was.
    pub(crate) async fn restore(&self) -> Result<(), DrillError> {
        let Some(rate) = self.rate else { return Ok(()) };
        match put(&self.service, rate, RESTORE_WITHIN).await {
            // The process was started again without a simulator.
            Err(DrillError::Unexpected { status: 404, .. }) => Ok(()),
            result => result,
        }
    }
}

async fn put(service: &Service, rate: u32, patience: Duration) -> Result<(), DrillError> {
    let body = serde_json::json!({ "rate": rate }).to_string();
    service.answered(Method::PUT, PATH, Some(body), patience).await.map(drop)
}

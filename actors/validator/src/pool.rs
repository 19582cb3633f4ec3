//! Spawns the validators and deals bodies out to them.
//! Knows no store: any validator may take any sale, because order among sales is event time's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tillstream_domain::TopicPrefix;
use tillstream_messages::{
    HealthBoard, PublishAggregate, PublishMessage, SaleAccepted, SaleRefused, SecretsChanged, ValidateSale, WallClock,
};
use tillstream_supervision::{ActorSpec, AskError, Handle, Place, Port, SpawnError, Supervisor};

use crate::clock_watch::ClockWatch;
use crate::metrics;
use crate::settings::ValidatorSettings;
use crate::validator::Validator;

/// What validators get from outside of their room.
#[derive(Clone)]
pub struct ValidatorWiring {
    /// To the broker.
    pub publisher: Port<PublishMessage>,
    /// The topic prefix of the first secret tree.
    pub prefix: TopicPrefix,
    /// Stamps `accepted_at`.
    pub clock: WallClock,
    /// Where the clock leg is reported.
    pub health: HealthBoard,
}

/// What the pool knows beyond one incarnation of one validator.
#[derive(Debug)]
pub(crate) struct PoolMemory {
    /// What the latest sales say about our clock.
    pub(crate) clock: ClockWatch,
}

/// All validators of a process.
#[derive(Clone)]
pub struct ValidatorPool {
    validators: Arc<[Handle<Validator>]>,
    turn: Arc<AtomicUsize>,
}

/// Spawns `validation.pool` validators (at least one), spread over the places.
///
/// # Errors
/// The supervisor takes no children.
pub fn spawn_validators(
    supervisor: &Supervisor,
    places: &[Place],
    settings: &ValidatorSettings,
    wiring: &ValidatorWiring,
) -> Result<ValidatorPool, SpawnError> {
    metrics::register();
    let memory = Arc::new(PoolMemory { clock: ClockWatch::new(wiring.health.clone()) });
    let places = if places.is_empty() { vec![Place::here()] } else { places.to_vec() };
    let validators: Result<Vec<_>, SpawnError> = (1..=settings.validation.pool.max(1))
        .zip(places.iter().cycle())
        .map(|(number, place)| {
            let spec = ActorSpec::new(format!("validator-{number}"), "validator").mailbox(settings.validation.mailbox);
            let (settings, wiring, memory) = (settings.clone(), wiring.clone(), Arc::clone(&memory));
            supervisor.spawn(spec, place, move || Validator::new(&settings, &wiring, Arc::clone(&memory)))
        })
        .collect();
    Ok(ValidatorPool { validators: validators?.into(), turn: Arc::default() })
}

// === impl ValidatorPool ===

impl ValidatorPool {
    /// Asks the validator whose turn it is, and the others when its mailbox is full.
    ///
    /// # Errors
    /// Nobody answered; see [`AskError`] for what may have happened to the sale.
    pub async fn ask(
        &self,
        order: ValidateSale,
        within: Duration,
    ) -> Result<Result<SaleAccepted, SaleRefused>, AskError> {
        let count = self.validators.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for offset in 0..count {
            let validator = &self.validators[turn.wrapping_add(offset) % count];
            match validator.ask(order.clone(), within).await {
                Err(AskError::Full) => {}
                answer => return answer,
            }
        }
        Err(AskError::Full)
    }

    /// For the outbox and the route that takes aggregates. Tills that crowd one mailbox do not hold windows up.
    pub fn aggregates(&self) -> Port<PublishAggregate> {
        Port::first_free(self.validators.iter().map(Handle::port).collect())
    }

    /// For the secrets actor. One validator is enough: it says once for all what a changed prefix means.
    pub fn secrets(&self) -> Port<SecretsChanged> {
        self.validators[0].port()
    }
}

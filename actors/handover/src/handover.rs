//! The actor that answers for a validator in another process.
//! Publishes nothing itself and has no say in when an event is forgotten.

use actix::{Actor, Handler, ResponseFuture};
use bytes::Bytes;
use tillstream_messages::{
    AggregateRefused, HealthBoard, Leg, LegState, PublishAggregate, PublishError, SecretsChanged, TraceContext,
};
use tillstream_supervision::{SupervisedContext, supervised};
use tillstream_traces::Correlated;
use tracing::{info, warn};

use crate::client::{Credentials, ValidationClient};
use crate::metrics;

/// Hands windows over.
pub struct Handover {
    /// Shared with former incarnations, which know the newest credentials.
    client: ValidationClient,
    /// Where it is said whether validation takes windows.
    health: HealthBoard,
}

// === impl Handover ===

impl Handover {
    /// An actor that posts with this client.
    pub fn new(client: ValidationClient, health: HealthBoard) -> Self {
        metrics::register();
        Self { client, health }
    }
}

supervised!(Handover);

impl Actor for Handover {
    type Context = SupervisedContext<Self>;

    /// Nothing is known to be wrong until a window has been tried.
    fn started(&mut self, _: &mut Self::Context) {
        self.health.set(Leg::HandOver, LegState::Up);
    }
}

impl Handler<PublishAggregate> for Handover {
    type Result = ResponseFuture<Result<(), AggregateRefused>>;

    fn handle(&mut self, order: PublishAggregate, _: &mut Self::Context) -> Self::Result {
        let (client, health) = (self.client.clone(), self.health.clone());
        let PublishAggregate { event, trace } = order;
        let ids = trace.as_ref().map(TraceContext::ids);
        let handing = async move {
            let body = Bytes::from(event.to_json());
            let answer = client.hand_over(body, trace.as_ref(), |trouble| report_down(&health, trouble)).await;
            match &answer {
                Err(AggregateRefused::Unavailable(trouble)) => report_down(&health, trouble),
                // Validation that refuses an event for its content is well.
                Ok(()) | Err(AggregateRefused::Invalid(_)) => health.set(Leg::HandOver, LegState::Up),
            }
            answer
        };
        Box::pin(Correlated::new(handing, ids))
    }
}

impl Handler<SecretsChanged> for Handover {
    type Result = ();

    fn handle(&mut self, fact: SecretsChanged, _: &mut Self::Context) {
        let taken = Credentials::of(&fact.tree).and_then(|credentials| self.client.set_credentials(&credentials));
        match taken {
            Ok(()) if Credentials::are_among(&fact.changed) => info!("the user that hands windows over has changed"),
            Ok(()) => {}
            Err(reason) => warn!(%reason, "cannot use the changed user, windows are handed over by the former one"),
        }
    }
}

fn report_down(health: &HealthBoard, trouble: &PublishError) {
    if health.get(Leg::HandOver) == LegState::Up {
        warn!(reason = %trouble, "windows are not handed over, each is tried again");
    }
    // It is not the broker's session that is down.
    let reason = if let PublishError::Down(reason) = trouble { reason.clone() } else { trouble.to_string() };
    health.set(Leg::HandOver, LegState::Down(reason));
}

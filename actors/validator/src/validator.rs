//! One validator: a body in, the broker's word out.
//! Holds nothing between two bodies but its rules and topics, so a restart costs the sale in hand and nothing else.

use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Handler, ResponseFuture};
use tillstream_domain::{AggregatedEvent, Checked, RuleError, Rules, TopicPrefix, Topics};
use tillstream_messages::{
    AggregateRefused, Outcome, PublishAggregate, PublishError, PublishMessage, SaleAccepted, SaleRefused,
    SecretsChanged, TraceContext, ValidateSale, WallClock,
};
use tillstream_supervision::{AskError, Port, SupervisedContext, supervised};
use tillstream_traces::{Correlated, Correlation, Sent, Step};
use tracing::error;

use crate::events::{AggregateRejected, BodyRejected, PublishFailed, TransactionPublished};
use crate::pool::{PoolMemory, ValidatorWiring};
use crate::settings::ValidatorSettings;

/// Where the topic prefix stands in the secret tree.
const PREFIX_PATH: &str = "message-broker/config";
const PREFIX_KEY: &str = "pos_topic_prefix";

/// Checks, corrects, stamps and publishes.
pub(crate) struct Validator {
    /// What a transaction may say.
    rules: Rules,
    /// What queues subscribed to when the process started.
    prefix: TopicPrefix,
    /// Where messages go.
    topics: Topics,
    /// Stamps `accepted_at`.
    clock: WallClock,
    /// To the broker.
    publisher: Port<PublishMessage>,
    /// How long to wait for the broker's word.
    publish_timeout: Duration,
    /// What the pool knows beyond one incarnation.
    memory: Arc<PoolMemory>,
}

// === impl Validator ===

impl Validator {
    /// A validator that publishes below the prefix of the start.
    pub(crate) fn new(settings: &ValidatorSettings, wiring: &ValidatorWiring, memory: Arc<PoolMemory>) -> Self {
        Self {
            rules: settings.rules.rules(),
            prefix: wiring.prefix.clone(),
            topics: Topics::new(wiring.prefix.clone(), settings.topics.personal_data),
            clock: wiring.clock.clone(),
            publisher: wiring.publisher.clone(),
            publish_timeout: settings.validation.publish_timeout,
            memory,
        }
    }

    /// The message to publish and what to answer once it is.
    fn prepare(&self, order: ValidateSale) -> Result<(Step, PublishMessage, Checked), SaleRefused> {
        let ValidateSale { body, trace } = order;
        let mut step = tillstream_traces::validate_sale(trace.as_ref());
        let now = self.clock.now();
        let checked = self.rules.check(&body, now).map_err(|errors| self.refuse(&body, errors, &mut step))?;
        self.memory.clock.agree();
        let transaction = &checked.transaction;
        describe(&mut step, &checked);
        let what = if transaction.is_paid() { Sent::Receipt } else { Sent::Failed };
        let sending = tillstream_traces::send(what, &transaction.transaction_id, trace.as_ref());
        let message = PublishMessage {
            topic: self.topics.transaction(transaction),
            message_id: transaction.transaction_id.uuid(),
            payload: checked.to_payload(now).into(),
            partition_key: transaction.store_id.number(),
            trace: sending.context_or(trace),
        };
        Ok((sending, message, checked))
    }

    /// The till's fault, unless most tills say that it is ours.
    fn refuse(&self, body: &[u8], errors: Vec<RuleError>, step: &mut Step) -> SaleRefused {
        if !RuleError::only_in_future(&errors) {
            self.memory.clock.agree();
        } else if self.memory.clock.disagree(self.rules.till_of(body)) {
            return SaleRefused::ClockSuspect;
        }
        step.outcome("rejected");
        step.rules(errors.iter().map(|error| error.code));
        BodyRejected { errors: &errors }.emit();
        SaleRefused::Invalid(errors)
    }

    /// The step lasts until the broker has answered.
    fn publish(
        &self,
        mut step: Step,
        message: PublishMessage,
    ) -> impl Future<Output = Result<(), PublishError>> + use<> {
        let ids = step.ids();
        let word = self.publisher.ask(message, self.publish_timeout);
        let answer = async move {
            let answer = word.await.unwrap_or_else(|reason| Err(unanswered(reason)));
            answer.inspect_err(|error| step.fail(error.kind()))
        };
        Correlated::new(answer, ids)
    }

    /// Queues keep their subscriptions while the process runs: below another prefix nobody would take a sale.
    fn compare_prefix(&self, text: Option<&str>) {
        match text.map_or_else(|| Ok(TopicPrefix::default()), str::parse) {
            Ok(prefix) if prefix == self.prefix => {}
            Ok(_) => error!(
                "the topic prefix in `{PREFIX_PATH}`, key `{PREFIX_KEY}`, has changed: it takes effect at the next start, \
                 until then `{}` is kept",
                self.prefix.as_str()
            ),
            Err(reason) => error!(
                %reason,
                "the topic prefix in `{PREFIX_PATH}`, key `{PREFIX_KEY}`, cannot be used: correct it before the next start, \
                 until then `{}` is kept",
                self.prefix.as_str()
            ),
        }
    }
}

supervised!(Validator);

impl Actor for Validator {
    type Context = SupervisedContext<Self>;
}

impl Handler<ValidateSale> for Validator {
    type Result = ResponseFuture<Result<SaleAccepted, SaleRefused>>;

    fn handle(&mut self, order: ValidateSale, _: &mut Self::Context) -> Self::Result {
        let _correlation = Correlation::begin(order.trace.as_ref().map(TraceContext::ids));
        let (step, message, checked) = match self.prepare(order) {
            Ok(prepared) => prepared,
            Err(refused) => return Box::pin(ready(Err(refused))),
        };
        let published = self.publish(step, message);
        Box::pin(async move {
            let store = checked.transaction.store_id;
            published.await.inspect_err(|reason| PublishFailed { store, reason }.emit())?;
            TransactionPublished { checked: &checked }.emit();
            Ok(accepted(checked))
        })
    }
}

impl Handler<PublishAggregate> for Validator {
    type Result = ResponseFuture<Result<(), AggregateRefused>>;

    fn handle(&mut self, order: PublishAggregate, _: &mut Self::Context) -> Self::Result {
        let PublishAggregate { event, trace } = order;
        let store = event.store_id;
        let payload = event.to_json();
        // What is read back from the document is what any consumer will read.
        if let Err(errors) = AggregatedEvent::from_json(&payload) {
            AggregateRejected { store, errors: &errors }.emit();
            return Box::pin(ready(Err(AggregateRefused::Invalid(errors))));
        }
        let topic = self.topics.aggregation(&event);
        let step = tillstream_traces::send(Sent::Aggregation, &event.event_id, trace.as_ref());
        let trace = step.context_or(trace);
        let message = PublishMessage { trace, ..PublishMessage::new(topic, event.event_id, payload, store.number()) };
        let published = self.publish(step, message);
        Box::pin(async move {
            published.await.inspect_err(|reason| PublishFailed { store, reason }.emit())?;
            Ok(())
        })
    }
}

impl Handler<SecretsChanged> for Validator {
    type Result = ();

    fn handle(&mut self, fact: SecretsChanged, _: &mut Self::Context) {
        if fact.changed.iter().any(|path| path == PREFIX_PATH) {
            self.compare_prefix(fact.tree.expose(PREFIX_PATH, PREFIX_KEY));
        }
    }
}

fn describe(step: &mut Step, checked: &Checked) {
    let Checked { transaction, corrections } = checked;
    step.transaction(&transaction.transaction_id);
    step.store(&transaction.store_id);
    step.outcome(match (transaction.is_paid(), corrections.is_empty()) {
        (false, _) => "payment_failed",
        (true, true) => "accepted",
        (true, false) => "corrected",
    });
}

fn accepted(checked: Checked) -> SaleAccepted {
    let Checked { transaction, corrections } = checked;
    let outcome = if transaction.is_paid() { Outcome::Paid } else { Outcome::PaymentFailed };
    SaleAccepted { transaction_id: transaction.transaction_id, outcome, corrections }
}

/// Whatever became of the question: the till tries again with the same id.
fn unanswered(reason: AskError) -> PublishError {
    match reason {
        AskError::Full => PublishError::Overloaded,
        _ => PublishError::Down(reason.to_string()),
    }
}

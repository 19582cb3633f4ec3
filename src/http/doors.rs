//! What HTTP may ask of the rooms behind it: one door per question, absent where the role does not run here.
//! Does not know the actors; startup hangs the doors.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use tillstream_generator::Rate;
use tillstream_messages::{
    ListSecrets, PublishAggregate, QueryJourney, QueryLedger, QueryLive, QueryTurnover, RefreshSecrets,
    ReloadCertificate, ValidateSale,
};
use tillstream_supervision::{AskError, Port};

type Answer<M> = Pin<Box<dyn Future<Output = Result<<M as Message>::Result, AskError>> + Send>>;

/// Asks one kind of question.
pub struct Door<M: Message>(Arc<dyn Fn(M, Duration) -> Answer<M> + Send + Sync>);

/// All doors of one process.
#[derive(Clone, Default)]
pub struct Doors {
    /// Role validation.
    pub validate: Option<Door<ValidateSale>>,
    /// Role validation.
    pub aggregate: Option<Door<PublishAggregate>>,
    /// Role reporting.
    pub turnover: Option<Door<QueryTurnover>>,
    /// Role reporting.
    pub journey: Option<Door<QueryJourney>>,
    /// Role reporting.
    pub live: Option<Door<QueryLive>>,
    /// Role reporting.
    pub ledger: Option<Door<QueryLedger>>,
    /// Role pos.
    pub generator: Option<Rate>,
    /// Every process.
    pub secrets: Option<Door<ListSecrets>>,
    /// Every process.
    pub refresh_secrets: Option<Door<RefreshSecrets>>,
    /// Where HTTP is spoken over TLS.
    pub reload_certificate: Option<Door<ReloadCertificate>>,
}

// === impl Door ===

impl<M: Message + Send + 'static> Door<M>
where
    M::Result: Send,
{
    /// A door that asks whatever the closure asks.
    pub fn new(ask: impl Fn(M, Duration) -> Answer<M> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// Asks and waits for the answer, at most `within`.
    pub fn ask(&self, question: M, within: Duration) -> Answer<M> {
        (self.0)(question, within)
    }
}

impl<M: Message> Clone for Door<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Message + Send + 'static> From<Port<M>> for Door<M>
where
    M::Result: Send,
{
    fn from(port: Port<M>) -> Self {
        Self::new(move |question, within| port.ask(question, within))
    }
}

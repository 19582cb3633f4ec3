//! What crosses rooms: orders (`PublishMessage`), facts in the past tense (`SecretsChanged`) and their errors.
//! Knows no actor; a message that only one room uses lives in that room.

mod certificate;
mod clock;
mod exemplars;
mod faults;
mod flow;
mod health;
mod journey;
mod live;
mod publish;
mod reporting;
mod secrets;
mod trace;
mod validate;

pub use certificate::{CertificateError, CertificateReloaded, IssueCertificate, IssuedCertificate, ReloadCertificate};
pub use clock::WallClock;
pub use exemplars::{Exemplar, Exemplars};
pub use faults::{EnvironmentFaults, StorageSwitch, StorageTrouble, Tamper, Tampering};
pub use flow::{
    AcknowledgeDeliveries, DeliveryTag, FlowBound, FlowLost, InboundMessage, MessagesDelivered, RebindFlow,
};
pub use health::{HealthBoard, Leg, LegState};
pub use journey::{
    Evidence, Journey, JourneyError, JourneyState, JourneyStep, QueryJourney, StepKind, ToldAs, ToldWindow,
};
pub use live::{Balance, CompanyWindow, LiveReport, LiveStore, LiveWindow, Pick, QueryLive};
pub use publish::{PublishError, PublishMessage};
pub use reporting::{LedgerReport, QueryError, QueryLedger, QueryTurnover, StoreLedger, TurnoverRow};
pub use secrets::{
    ListSecrets, RefreshError, RefreshSecrets, SecretEntry, SecretInUse, SecretTree, SecretsChanged, SecretsOverview,
    SecretsRefreshed,
};
pub use trace::{TraceContext, TraceIds};
pub use validate::{AggregateRefused, Outcome, PublishAggregate, SaleAccepted, SaleRefused, ValidateSale};

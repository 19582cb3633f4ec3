//! What the audit trail is told of requests that pass the gate: corrected and rejected sales, faults, and what people change.
//! Tells it no body: of one it reads the ids of transaction and store, and only if they are ids.

use actix_web::HttpRequest;
use serde::Deserialize;
use serde_json::value::RawValue;
use tillstream_audit::{Record, Verdict};
use tillstream_domain::{RuleError, StoreId, TransactionId};
use tillstream_messages::{AggregateRefused, PublishError, SaleAccepted, SaleRefused};

use super::{Gate, auth::Principal, metrics, trace};

/// The rule that only a broker knows.
const TOO_LARGE: &str = "message_too_large";

/// One request of somebody who is proven.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Knows where records go and where requests come from.
    pub gate: &'a Gate,
    /// The request.
    pub request: &'a HttpRequest,
    /// Whose it is.
    pub user: &'a Principal,
}

/// Which sale or window of which store a body is about; what else is in it stays unread.
#[derive(Default, Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    transaction_id: Option<&'a RawValue>,
    #[serde(borrow)]
    store_id: Option<&'a RawValue>,
}

// === impl Asked ===

impl Asked<'_> {
    /// A sale is judged. One that is accepted as it was sent leaves no record.
    pub fn sale(self, body: &[u8], verdict: &Result<SaleAccepted, SaleRefused>) {
        let record = match verdict {
            Ok(accepted) if accepted.corrections.is_empty() => return,
            Ok(accepted) => {
                let corrected = accepted.corrections.iter().map(|correction| correction.field).collect();
                Record { corrected, ..self.record(Verdict::Corrected) }
            }
            Err(SaleRefused::Invalid(errors)) => self.rejected(codes(errors)),
            Err(SaleRefused::Unavailable(PublishError::TooLarge)) => self.rejected(vec![TOO_LARGE]),
            Err(SaleRefused::ClockSuspect | SaleRefused::Unavailable(_)) => return,
        };
        self.write_of(body, record);
    }

    /// An aggregate is judged.
    pub fn aggregate(self, body: &[u8], refused: &AggregateRefused) {
        match refused {
            AggregateRefused::Invalid(errors) => self.write_of(body, self.rejected(codes(errors))),
            AggregateRefused::Unavailable(PublishError::TooLarge) => {
                self.write_of(body, self.rejected(vec![TOO_LARGE]));
            }
            AggregateRefused::Unavailable(_) => {}
        }
    }

    /// Something is to fail on purpose; `outcome` is the number of the fault, or why there is none.
    pub fn fault(self, target: &str, kind: &str, outcome: Result<u64, String>) {
        let refusal = outcome.as_ref().err().map(|reason| format!(", refused: {reason}"));
        self.write(Record {
            object: Some(target.to_owned()),
            what: Some(format!("{kind}{}", refusal.unwrap_or_default())),
            fault_id: outcome.ok(),
            ..self.record(Verdict::Fault)
        });
    }

    /// Something else was changed by a person.
    pub fn change(self, verdict: Verdict, what: String) {
        self.write(Record { what: Some(what), ..self.record(verdict) });
    }

    fn rejected(self, rules: Vec<&'static str>) -> Record {
        Record { rules, ..self.record(Verdict::Rejected) }
    }

    fn record(self, verdict: Verdict) -> Record {
        let route = self.request.match_pattern();
        Record {
            who: Some(self.user.name.to_string()),
            address: Some(self.gate.address(self.request)),
            route: route.unwrap_or_else(|| metrics::UNMATCHED.to_owned()),
            trace_id: trace::id(),
            ..Record::new(verdict, "http")
        }
    }

    fn write_of(self, body: &[u8], record: Record) {
        let Named { transaction_id, store_id } = serde_json::from_slice(body).unwrap_or_default();
        self.write(Record {
            transaction_id: transaction_id
                .and_then(|raw| text(raw)?.parse::<TransactionId>().ok())
                .map(|id| id.to_string()),
            store_id: store_id.and_then(|raw| text(raw)?.parse::<StoreId>().ok()).map(|id| id.to_string()),
            ..record
        });
    }

    fn write(self, record: Record) {
        self.gate.trail().write(record);
    }
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// Each of them once: of a hundred items that break the same rule one says as much.
fn codes(errors: &[RuleError]) -> Vec<&'static str> {
    let mut codes: Vec<_> = errors.iter().map(|error| error.code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

//! One record: who did what from where, and what became of it.
//! Has no place for a body, a password, a cashier or a customer.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tracing::info;

use crate::printable::{as_name, as_text, printable, readable};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A sale was accepted with other amounts than were sent.
    Corrected,
    /// A sale or an aggregate breaks rules.
    Rejected,
    /// Somebody was not let through.
    Unauthorised,
    /// Somebody breaks something on purpose, or what became of that.
    Fault,
    /// Somebody has set which lines are logged.
    LogFilter,
    /// Somebody has had the secrets read again.
    SecretsRefresh,
    /// Somebody has set the rate of the simulated tills.
    Generator,
}

/// Which files a record goes to: a flood of sales must not push out who tried to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    Sales,
    Access,
}

/// What is written. Names and texts are made printable and short on their way.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// When.
    pub time: DateTime<Utc>,
    /// What became of it.
    pub verdict: Verdict,
    /// Proven, or what stands for a name that nobody has.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_name")]
    pub who: Option<String>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Through which door: `http` or `smf`.
    pub door: &'static str,
    /// A route as the table of routes has it, or a request of SMF.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// Why somebody was not let through, in one of few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Codes of all rules that are broken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<&'static str>,
    /// Names of all fields that were corrected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corrected: Vec<&'static str>,
    /// Of which sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// Of which store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_id: Option<String>,
    /// In which trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// On what: a topic, a queue, an actor.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_name")]
    pub object: Option<String>,
    /// What was done or has come of it, where the verdict does not say it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub what: Option<String>,
    /// Number of the fault, as in `/api/v1/faults/{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_id: Option<u64>,
    /// Whose pause has begun: `user`, `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_begun: Option<&'static str>,
    /// That many more like this one have no record of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<u64>,
}

// === impl Verdict ===

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Corrected,
        Self::Rejected,
        Self::Unauthorised,
        Self::Fault,
        Self::LogFilter,
        Self::SecretsRefresh,
        Self::Generator,
    ];

    /// Its name in records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::Rejected => "rejected",
            Self::Unauthorised => "unauthorised",
            Self::Fault => "fault",
            Self::LogFilter => "log_filter",
            Self::SecretsRefresh => "secrets_refresh",
            Self::Generator => "generator",
        }
    }

    pub(crate) const fn series(self) -> Series {
        match self {
            Self::Corrected | Self::Rejected => Series::Sales,
            Self::Unauthorised | Self::Fault | Self::LogFilter | Self::SecretsRefresh | Self::Generator => {
                Series::Access
            }
        }
    }
}

// === impl Series ===

impl Series {
    pub(crate) const ALL: [Self; 2] = [Self::Sales, Self::Access];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sales => "sales",
            Self::Access => "access",
        }
    }
}

// === impl Record ===

impl Record {
    /// Of now, at this door.
    pub fn new(verdict: Verdict, door: &'static str) -> Self {
        Self {
            time: Utc::now(),
            verdict,
            who: None,
            address: None,
            door,
            route: String::new(),
            reason: None,
            rules: Vec::new(),
            corrected: Vec::new(),
            transaction_id: None,
            store_id: None,
            trace_id: None,
            object: None,
            what: None,
            fault_id: None,
            pause_begun: None,
            suppressed: None,
        }
    }

    /// As a log line, for whoever collects nothing else.
    pub(crate) fn log(&self) {
        let printable = |text: &Option<String>| text.as_deref().map(printable);
        let (rules, corrected) = (self.rules.join(","), self.corrected.join(","));
        info!(
            target: "audit",
            verdict = self.verdict.name(),
            who = printable(&self.who),
            address = self.address.map(tracing::field::display),
            door = self.door,
            route = self.route,
            reason = self.reason,
            rules = (!rules.is_empty()).then_some(rules),
            corrected = (!corrected.is_empty()).then_some(corrected),
            transaction_id = self.transaction_id,
            store_id = self.store_id,
            trace_id = self.trace_id,
            object = printable(&self.object),
            what = self.what.as_deref().map(readable),
            fault_id = self.fault_id,
            pause_begun = self.pause_begun,
            suppressed = self.suppressed,
            "{}",
            self.verdict.name()
        );
    }
}

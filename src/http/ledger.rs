//! `GET /api/v1/ledger`: both sides of the ledger, per store.
//! Does not count anything; reporting does.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use tillstream_domain::{Action, Money};
use tillstream_messages::{LedgerReport, QueryLedger, StoreLedger};

use super::Api;
use super::amount::Amount;
use super::errors::ApiError;
use crate::roles::Role;

/// The ledger of all stores.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LedgerAnswer {
    /// By store number.
    stores: Vec<StoreAnswer>,
    /// Whether every store's final windows add up to what was accepted for them.
    balanced: bool,
    /// Messages that could not be read as a sale; they belong to no store.
    poison: u64,
}

/// One store: `accepted = in_windows + late + rejected`; `open` is shown, not balanced.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StoreAnswer {
    /// Which.
    store_id: String,
    /// Distinct paid sales on the broker that belong to final windows.
    accepted: Side,
    /// In final windows.
    in_windows: Side,
    /// Late of final windows.
    late: Side,
    /// The same id with another store or amount.
    rejected: Side,
    /// Distinct paid sales whose window is not final yet.
    open: Side,
    /// What is missing (or too much, when negative); must be 0.
    imbalance: Imbalance,
}

/// Count and money.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Side {
    /// How many sales.
    count: u64,
    /// How much money.
    amount: Amount,
}

/// A difference, which may be negative.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Imbalance {
    /// In sales.
    count: i64,
    /// In cents.
    cents: i64,
}

/// Read the ledger.
#[utoipa::path(
    get,
    path = "/api/v1/ledger",
    tag = "reporting",
    operation_id = "ledger",
    responses(
        (status = 200, description = "Both sides, per store", body = LedgerAnswer),
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let ledger = api.doors.ledger.as_ref().ok_or(ApiError::RoleAbsent(Role::Reporting))?;
    api.gate.authorize(&request, Action::ReadLedger)?;
    let _place = api.in_flight.enter()?;
    let report = ledger.ask(QueryLedger, api.settings.answer_within).await??;
    Ok(HttpResponse::Ok().json(LedgerAnswer::from(&report)))
}

/// Whether both sides of every store agree.
pub fn is_balanced(report: &LedgerReport) -> bool {
    report.stores.iter().all(|store| store.imbalance_count == 0 && store.imbalance_cents == 0)
}

impl From<&LedgerReport> for LedgerAnswer {
    fn from(report: &LedgerReport) -> Self {
        let stores = report.stores.iter().map(StoreAnswer::from).collect();
        Self { stores, balanced: is_balanced(report), poison: report.poison }
    }
}

impl From<&StoreLedger> for StoreAnswer {
    fn from(store: &StoreLedger) -> Self {
        Self {
            store_id: store.store.to_string(),
            accepted: store.accepted.into(),
            in_windows: store.in_windows.into(),
            late: store.late.into(),
            rejected: store.rejected.into(),
            open: store.open.into(),
            imbalance: Imbalance { count: store.imbalance_count, cents: store.imbalance_cents },
        }
    }
}

impl From<(u64, Money)> for Side {
    fn from((count, money): (u64, Money)) -> Self {
        Self { count, amount: Amount(money) }
    }
}

//! `POST /api/v1/pos/validate_transaction`: a till hands in a sale and waits until the broker has it on disk.
//! Does not know a rule; the validator does.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use tillstream_domain::{Action, Correction};
use tillstream_messages::{Outcome, SaleAccepted, ValidateSale};

use super::amount::Amount;
use super::audit::Asked;
use super::errors::ApiError;
use super::negotiate::error_shape;
use super::{Api, body, trace};
use crate::roles::Role;

/// A recorded transaction.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TransactionAnswer {
    /// Always `success`.
    status: &'static str,
    /// In canonical form.
    #[schema(format = "uuid")]
    transaction_id: String,
    /// `Transaction accepted` or `Payment failed, recorded`.
    message: &'static str,
    /// What the service changed; absent when nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    corrections: Vec<CorrectionAnswer>,
}

/// One changed field.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CorrectionAnswer {
    /// Which.
    field: &'static str,
    /// What the till sent.
    sent: Amount,
    /// What was recorded.
    recorded: Amount,
}

/// Hand in a transaction. The answer comes once the broker has it on disk; after a 503 send it again with the same id.
#[utoipa::path(
    post,
    path = "/api/v1/pos/validate_transaction",
    tag = "validation",
    operation_id = "validate_transaction",
    params(super::documents::TraceHeaders),
    request_body(
        content = tillstream_domain::ValidTransaction,
        description = "One transaction of a till",
        example = json!(super::examples::transaction()),
    ),
    responses(
        (status = 200, description = "Recorded: the broker has it on disk", body = TransactionAnswer),
        super::documents::RequestErrors,
    ),
    security(("basic" = []))
)]
pub async fn post(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, ApiError> {
    let validator = api.doors.validate.as_ref().ok_or(ApiError::RoleAbsent(Role::Validation))?;
    let user = api.gate.authorize(&request, Action::SendSale)?;
    let _place = api.in_flight.enter()?;
    let body = body::read_json(&request, payload, api.settings.max_body, api.settings.body_timeout).await?;
    let order = ValidateSale { body: body.clone(), trace: trace::context(&request) };
    let verdict = validator.ask(order, api.settings.answer_within).await?;
    Asked { gate: &api.gate, request: &request, user: &user }.sale(&body, &verdict);
    let accepted = verdict.map_err(|refused| ApiError::from_sale_refused(refused, error_shape(&request)))?;
    Ok(HttpResponse::Ok().json(TransactionAnswer::from(accepted)))
}

impl From<SaleAccepted> for TransactionAnswer {
    fn from(accepted: SaleAccepted) -> Self {
        let message = match accepted.outcome {
            Outcome::Paid => "Transaction accepted",
            Outcome::PaymentFailed => "Payment failed, recorded",
        };
        Self {
            status: "success",
            transaction_id: accepted.transaction_id.to_string(),
            message,
            corrections: accepted.corrections.into_iter().map(CorrectionAnswer::from).collect(),
        }
    }
}

impl From<Correction> for CorrectionAnswer {
    fn from(correction: Correction) -> Self {
        Self { field: correction.field, sent: Amount(correction.sent), recorded: Amount(correction.recorded) }
    }
}

//! `GET /api/v1/secrets` and `POST /api/v1/secrets/refresh`: which secrets are in use, and reading them again at once.
//! Never sees a value: what it shows has none.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tillstream_audit::Verdict;
use tillstream_domain::Action;
use tillstream_messages::{
    CertificateReloaded, ListSecrets, RefreshError, RefreshSecrets, ReloadCertificate, SecretInUse, SecretsOverview,
    SecretsRefreshed,
};

use super::Api;
use super::audit::Asked;
use super::errors::ApiError;

/// Which secrets this process uses.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SecretsAnswer {
    /// Where they come from: `local` or `vault`.
    #[schema(example = "vault")]
    source: &'static str,
    /// When the source last confirmed them.
    confirmed_at: DateTime<Utc>,
    /// When they are read again, unless somebody asks for it before.
    next_refresh: DateTime<Utc>,
    /// Why not all of the last reading could be used; the last good values are in use then.
    trouble: Option<String>,
    /// By path.
    secrets: Vec<SecretAnswer>,
}

/// One secret: everything about it but its values.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SecretAnswer {
    /// Where it stands.
    #[schema(example = "validation-service/creds/pos-service")]
    path: String,
    /// Grows with every change that this process has seen, from 1.
    version: u64,
    /// How long this process has used this version.
    age_seconds: u64,
    /// The actors that use it.
    holders: Vec<String>,
}

/// What reading them again has found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RefreshAnswer {
    /// Paths with new values, in use from now on.
    changed: Vec<String>,
    /// Paths that are gone or malformed at the source: their last good values stay in use.
    kept: Vec<String>,
    /// The server's own certificate, looked at again too; absent where HTTP is spoken without TLS.
    certificate: Option<CertificateAnswer>,
}

/// What looking for another certificate has found.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub struct CertificateAnswer {
    /// Whether new connections see another one from now on.
    changed: bool,
    /// Of the certificate in use, in hexadecimal; absent when it could not be reloaded.
    serial: Option<String>,
    /// When that one stops to hold.
    expires_at: Option<DateTime<Utc>>,
    /// Why it could not be reloaded; the one in use stays.
    trouble: Option<String>,
}

/// Read which secrets are in use, never a value.
#[utoipa::path(
    get,
    path = "/api/v1/secrets",
    tag = "operation",
    operation_id = "secrets",
    responses(
        (status = 200, description = "Path, version, age and holders of every secret", body = SecretsAnswer),
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    api.gate.authorize(&request, Action::ReadSecrets)?;
    let _place = api.in_flight.enter()?;
    let secrets = api.doors.secrets.as_ref().ok_or_else(not_watched)?;
    let overview = secrets.ask(ListSecrets, api.settings.answer_within).await?;
    Ok(HttpResponse::Ok().json(SecretsAnswer::from(overview)))
}

/// Read the secrets and the server's certificate again at once. A 503 means that their source cannot be read: the last good ones stay in use.
#[utoipa::path(
    post,
    path = "/api/v1/secrets/refresh",
    tag = "operation",
    operation_id = "refresh_secrets",
    responses(
        (status = 200, description = "What has changed, in use from now on", body = RefreshAnswer),
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn refresh(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let user = api.gate.authorize(&request, Action::RefreshSecrets)?;
    let _place = api.in_flight.enter()?;
    let refresh = api.doors.refresh_secrets.as_ref().ok_or_else(not_watched)?;
    // A certificate in a file needs no server of secrets: both are looked at whatever becomes of the other.
    let (found, certificate) =
        tokio::join!(refresh.ask(RefreshSecrets, api.settings.answer_within), reload_certificate(&api));
    let found = found.map_err(ApiError::from).and_then(|found| found.map_err(ApiError::from));
    Asked { gate: &api.gate, request: &request, user: &user }.change(Verdict::SecretsRefresh, outcome(&found));
    let SecretsRefreshed { changed, kept } = found?;
    Ok(HttpResponse::Ok().json(RefreshAnswer { changed, kept, certificate }))
}

/// For the audit trail.
fn outcome(found: &Result<SecretsRefreshed, ApiError>) -> String {
    match found {
        Ok(SecretsRefreshed { changed, kept }) => {
            format!("changed: [{}], kept: [{}]", changed.join(", "), kept.join(", "))
        }
        Err(error) => error.to_string(),
    }
}

async fn reload_certificate(api: &Api) -> Option<CertificateAnswer> {
    let reload = api.doors.reload_certificate.as_ref()?;
    Some(match reload.ask(ReloadCertificate, api.settings.answer_within).await {
        Ok(Ok(found)) => CertificateAnswer::from(found),
        Ok(Err(reason)) => CertificateAnswer { trouble: Some(reason.to_string()), ..CertificateAnswer::default() },
        Err(reason) => CertificateAnswer { trouble: Some(reason.to_string()), ..CertificateAnswer::default() },
    })
}

/// Only a process that is still being built has no such door.
fn not_watched() -> ApiError {
    ApiError::Unavailable("the secrets are not watched yet".to_owned())
}

impl From<RefreshError> for ApiError {
    fn from(error: RefreshError) -> Self {
        Self::Unavailable(format!("the secrets cannot be read, the last good ones stay in use: {error}"))
    }
}

impl From<SecretsOverview> for SecretsAnswer {
    fn from(overview: SecretsOverview) -> Self {
        let SecretsOverview { source, confirmed_at, next_refresh, trouble, secrets } = overview;
        let secrets = secrets.into_iter().map(SecretAnswer::from).collect();
        Self { source, confirmed_at, next_refresh, trouble, secrets }
    }
}

impl From<SecretInUse> for SecretAnswer {
    fn from(secret: SecretInUse) -> Self {
        let SecretInUse { path, version, age_seconds, holders } = secret;
        Self { path, version, age_seconds, holders }
    }
}

impl From<CertificateReloaded> for CertificateAnswer {
    fn from(found: CertificateReloaded) -> Self {
        let CertificateReloaded { changed, serial, expires_at } = found;
        Self { changed, serial: Some(serial), expires_at: Some(expires_at), trouble: None }
    }
}

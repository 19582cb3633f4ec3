//! A server certificate from a public key infrastructure of Vault.
//! Does not use it, keeps no key, and does not decide when another one is needed.

use chrono::{DateTime, Utc};
use tillstream_messages::{CertificateError, IssueCertificate, IssuedCertificate};
use vaultrs::api::pki::responses::GenerateCertificateResponse;

use crate::error::VaultError;
use crate::memory::Purpose;
use crate::server::{CertificateNames, Failure};
use crate::session::{Session, Setback};

/// Has one issued.
///
/// # Errors
/// Says why there is none and what to do about it.
pub async fn issue(session: &Session, wish: &IssueCertificate) -> Result<IssuedCertificate, CertificateError> {
    let place = format!("{}/issue/{}", wish.mount, wish.role);
    let addresses: Vec<String> = wish.ip_sans.iter().map(ToString::to_string).collect();
    let issued = session.run(Purpose::Issuing, async |server, token| {
        let names = CertificateNames {
            common: &wish.common_name,
            alternative: wish.alt_names.join(","),
            addresses: addresses.join(","),
            ttl: wish.ttl,
        };
        let answer = server.issue(token, &wish.mount, &wish.role, names).await;
        let read = answer.and_then(|answer| read(answer).ok_or(Failure::Answer));
        read.map_err(|failure| Setback { failure, what: format!("issuing a certificate by {place}") })
    });
    issued.await.map_err(|error| CertificateError(told(error, &place)))
}

/// Its names are the likeliest reason for a refusal, which is not about secrets.
fn told(error: VaultError, place: &str) -> String {
    match error {
        VaultError::Refused { status, .. } => {
            format!(
                "vault refused a certificate by {place} (status {status}): let that role allow the names and the lifetime"
            )
        }
        VaultError::Forbidden { .. } => format!("no policy of this AppRole allows {place}: allow updating it"),
        other => other.to_string(),
    }
}

fn read(answer: GenerateCertificateResponse) -> Option<IssuedCertificate> {
    let expires = i64::try_from(answer.expiration?).ok()?;
    let expires_at: DateTime<Utc> = DateTime::from_timestamp(expires, 0)?;
    let above = answer.ca_chain.unwrap_or_else(|| vec![answer.issuing_ca]);
    let pieces = std::iter::once(answer.certificate).chain(above);
    let chain_pem = pieces.map(|piece| format!("{}\n", piece.trim_end())).collect();
    Some(IssuedCertificate { chain_pem, key_pem: answer.private_key.into(), expires_at })
}

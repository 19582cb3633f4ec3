//! The HTTP client for one server: whom it believes, how long it waits.
//! Sends nothing.

use reqwest::header::HeaderValue;
use reqwest::{Certificate, Client, ClientBuilder, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use crate::error::VaultError;
use crate::settings::VaultSettings;

/// A client as the settings want it.
///
/// # Errors
/// The authorities cannot be used.
pub fn client(settings: &VaultSettings, address: &Url) -> Result<Client, VaultError> {
    // An error says that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let encrypted = address.scheme() == "https";
    let builder = Client::builder()
        .no_proxy()
        // The token travels in a header of its own, which would go along to wherever a server says.
        .redirect(redirect::Policy::none())
        .timeout(settings.timeout)
        .connect_timeout(settings.timeout);
    let built = believing(builder, settings, encrypted)?.build();
    built.map_err(|error| unusable(settings, innermost(&error)))
}

fn believing(builder: ClientBuilder, settings: &VaultSettings, encrypted: bool) -> Result<ClientBuilder, VaultError> {
    let Some(file) = &settings.ca_cert else {
        // The system's authorities are read only where there is something to believe.
        return Ok(if encrypted { builder } else { builder.tls_certs_only([]) });
    };
    let text = std::fs::read(file).map_err(|error| unusable(settings, error.to_string()))?;
    let authorities = Certificate::from_pem_bundle(&text).map_err(|error| unusable(settings, innermost(&error)))?;
    if authorities.is_empty() {
        return Err(unusable(settings, "no certificate in it".to_owned()));
    }
    Ok(builder.tls_certs_only(authorities))
}

/// A token as a header that no log shows; nothing of it where it cannot stand in one.
pub fn header(token: &SecretString) -> HeaderValue {
    let mut value = HeaderValue::from_str(token.expose_secret()).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn unusable(settings: &VaultSettings, cause: String) -> VaultError {
    let file = settings.ca_cert.clone().unwrap_or_else(|| "the system's certificate store".into());
    VaultError::Authorities { file, cause }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

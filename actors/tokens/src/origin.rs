//! Where an issuer's keys are, and whether they may be read from there.
//! Reads nothing.

use std::net::IpAddr;
use std::path::PathBuf;

use reqwest::Url;

use crate::error::SourceError;
use crate::settings::TokenSettings;

/// What an issuer's address ends in where it describes itself (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File(PathBuf),
    /// At this address.
    Keys(Url),
    /// At the address that this document names.
    Discovery {
        /// Where the document is.
        document: Url,
        /// What it must say of itself.
        issuer: String,
    },
}

impl Origin {
    /// The place that these settings name; an issuer's own document where they name none.
    pub fn of(settings: &TokenSettings) -> Result<Self, SourceError> {
        if let Some(file) = &settings.jwks_file {
            return Ok(Self::File(file.clone()));
        }
        if let Some(url) = &settings.jwks_url {
            return Ok(Self::Keys(allowed(url, settings.plain_http)?));
        }
        let issuer = settings.issuer.clone().unwrap_or_default();
        let document = allowed(&format!("{}{DISCOVERY}", issuer.trim_end_matches('/')), settings.plain_http)?;
        Ok(Self::Discovery { document, issuer })
    }
}

/// An address that keys may come from: encrypted, or on this machine, or declared safe.
pub fn allowed(text: &str, plain_http: bool) -> Result<Url, SourceError> {
    let refuse = || SourceError::NoUrl { url: text.to_owned() };
    let url = Url::parse(text).map_err(|_| refuse())?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err(SourceError::NamesUser);
    }
    match url.scheme() {
        _ if url.host().is_none() => Err(refuse()),
        "https" => Ok(url),
        "http" if plain_http || is_loopback(&url) => Ok(url),
        "http" => Err(SourceError::NotEncrypted { url: text.to_owned() }),
        _ => Err(refuse()),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

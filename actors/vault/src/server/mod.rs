//! The calls that this room makes, by the requests and answers of vaultrs, each bounded in time and size: login, renewal,
//! unwrapping, reading, issuing.
//! Decides nothing and keeps nothing; what a failure means to whom is told in [`Server::explain`].

mod failure;
mod transport;
mod trust;

use std::time::Duration;

use reqwest::{Client, Url};
use rustify::endpoint::{Endpoint, EndpointResult as Carried};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::pki::requests::GenerateCertificateRequest;
use vaultrs::api::pki::responses::GenerateCertificateResponse;
use vaultrs::api::sys::requests::{UnwrapRequest, WrappingLookupRequest};
use vaultrs::api::token::requests::RenewTokenSelfRequest;
use vaultrs::api::{AuthInfo, EndpointMiddleware, EndpointResult, kv1, kv2};

pub use failure::Failure;
use transport::{Transport, bounded};

use crate::error::VaultError;
use crate::settings::VaultSettings;
use crate::token::Grant;

/// How a mount of the key-value store keeps its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvVersion {
    /// The last value only.
    One,
    /// Versions.
    Two,
}

/// One server, and connections to it. Made anew by every incarnation, because connections belong to the thread that made them.
pub struct Server {
    settings: VaultSettings,
    address: Url,
    http: Client,
    transport: Transport,
}

// === impl Server ===

impl Server {
    /// Reads the authorities and connects to nobody yet. Blocks on a file.
    ///
    /// # Errors
    /// The address or the authorities cannot be used.
    pub fn new(settings: &VaultSettings) -> Result<Self, VaultError> {
        settings.check()?;
        let parsed = settings.address.parse();
        let address: Url =
            parsed.map_err(|error| VaultError::Setting { key: "address", what: format!("is no address: {error}") })?;
        let http = trust::client(settings, &address)?;
        let transport = Transport::new(address.to_string(), http.clone());
        Ok(Self { settings: settings.clone(), address, http, transport })
    }

    /// Logs in.
    pub async fn login(&self, role_id: &str, secret_id: &SecretString) -> Result<Grant, Failure> {
        let mount = self.settings.approle_mount.clone();
        let secret_id = secret_id.expose_secret().to_owned();
        self.granted(None, LoginWithApproleRequest { mount, role_id: role_id.to_owned(), secret_id }).await
    }

    /// Prolongs a token by `ttl` from now.
    pub async fn renew(&self, token: &SecretString, ttl: Duration) -> Result<Grant, Failure> {
        let increment = Some(format!("{}s", ttl.as_secs()));
        self.granted(Some(token), RenewTokenSelfRequest { increment }).await
    }

    /// What a wrapping token was made for; does not use it up.
    pub async fn wrapped_by(&self, wrapping: &SecretString) -> Result<String, Failure> {
        let request = WrappingLookupRequest { token: wrapping.expose_secret().to_owned() };
        Ok(self.data(None, request).await?.creation_path)
    }

    /// The secret id behind a wrapping token, which is used up by that.
    pub async fn unwrap(&self, wrapping: &SecretString) -> Result<SecretString, Failure> {
        // The token has to be the caller's own: with no token at all the server refuses.
        let answer = self.data(Some(wrapping), UnwrapRequest { token: None }).await?;
        let secret_id = answer.get("secret_id").and_then(Value::as_str);
        secret_id.map(SecretString::from).ok_or(Failure::Answer)
    }

    /// How the mount of the tree keeps its values.
    pub async fn kv_version(&self, token: &SecretString) -> Result<KvVersion, Failure> {
        match self.settings.kv_version {
            Some(1) => return Ok(KvVersion::One),
            Some(_) => return Ok(KvVersion::Two),
            None => {}
        }
        let found: Value = self.get(&format!("sys/internal/ui/mounts/{}", self.settings.mount), Some(token)).await?;
        let version = found.pointer("/data/options/version").and_then(Value::as_str);
        Ok(if version == Some("2") { KvVersion::Two } else { KvVersion::One })
    }

    /// The values at a path of the tree; nothing where there is nothing.
    pub async fn read(&self, token: &SecretString, version: KvVersion, path: &str) -> Result<Option<Value>, Failure> {
        let (mount, path) = (self.settings.mount.clone(), path.to_owned());
        let read = match version {
            KvVersion::One => {
                let request = kv1::requests::GetSecretRequest { mount, path };
                self.whole(token, request).await.map(|found| found.data)
            }
            KvVersion::Two => {
                let request = kv2::requests::ReadSecretRequest { mount, path, version: None };
                self.data(Some(token), request).await.map(|found| found.data)
            }
        };
        unless_missing(read)
    }

    /// The names directly below a path of the tree, those of folders end with a slash; nothing where there is no such path.
    pub async fn list(
        &self,
        token: &SecretString,
        version: KvVersion,
        path: &str,
    ) -> Result<Option<Vec<String>>, Failure> {
        let (mount, path) = (self.settings.mount.clone(), path.to_owned());
        let listed = match version {
            KvVersion::One => {
                let request = kv1::requests::ListSecretRequest { mount, path };
                self.whole(token, request).await.map(|found| found.data.keys)
            }
            KvVersion::Two => {
                let request = kv2::requests::ListSecretsRequest { mount, path };
                self.data(Some(token), request).await.map(|found| found.keys)
            }
        };
        unless_missing(listed)
    }

    /// A certificate and its key.
    pub async fn issue(
        &self,
        token: &SecretString,
        mount: &str,
        role: &str,
        names: CertificateNames<'_>,
    ) -> Result<GenerateCertificateResponse, Failure> {
        let mut request = GenerateCertificateRequest::builder();
        request.common_name(names.common).alt_names(names.alternative).ip_sans(names.addresses);
        request.ttl(format!("{}s", names.ttl.as_secs())).format("pem").private_key_format("pkcs8");
        let request =
            request.mount(mount).role(role).build().expect("mount and role are set, the rest may be left out");
        self.data(Some(token), request).await
    }

    /// What a failure means and what to do about it; asks how the server is where its status does not say.
    pub async fn explain(&self, failure: Failure, what: &str) -> VaultError {
        let (address, what) = (self.settings.address.clone(), what.to_owned());
        match failure {
            Failure::Connection(cause) => VaultError::Unreachable { address, cause },
            Failure::Certificate(cause) => VaultError::Untrusted { address, cause },
            Failure::Timeout => VaultError::Timeout { address },
            Failure::Answer => VaultError::Unintelligible { address, what },
            Failure::TooLarge => VaultError::TooLarge { address, what },
            Failure::Status(status @ 300..=399) => VaultError::Elsewhere { address, status },
            Failure::Status(503) => self.explain_503().await,
            Failure::Status(403) => VaultError::Forbidden { what },
            // 412: a standby that has not caught up; 429: too many requests for its quota.
            Failure::Status(status @ (412 | 429 | 500..)) => VaultError::Unavailable { address, status },
            Failure::Status(status) => VaultError::Refused { what, status },
        }
    }

    /// An uninitialised server answers like a sealed one everywhere but at its health.
    async fn explain_503(&self) -> VaultError {
        let address = self.settings.address.clone();
        let asked = self.http.get(self.url("sys/health")).send().await;
        match asked.map(|answer| answer.status().as_u16()) {
            Ok(501) => VaultError::Uninitialised { address },
            Ok(503) => VaultError::Sealed { address },
            _ => VaultError::Unavailable { address, status: 503 },
        }
    }

    /// For what vaultrs has no call.
    async fn get(&self, path: &str, token: Option<&SecretString>) -> Result<Value, Failure> {
        let mut request = self.http.get(self.url(path)).header("X-Vault-Request", "true");
        if let Some(token) = token {
            request = request.header("X-Vault-Token", trust::header(token));
        }
        if let Some(namespace) = &self.settings.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let answer = request.send().await?;
        match answer.status().as_u16() {
            200 => Ok(serde_json::from_slice(&bounded(answer).await?)?),
            status => Err(Failure::Status(status)),
        }
    }

    /// What an answer says of a token.
    async fn granted(
        &self,
        token: Option<&SecretString>,
        request: impl Endpoint<Response = ()>,
    ) -> Result<Grant, Failure> {
        let answer: EndpointResult<()> = self.carried(token, request).await?.wrap()?;
        grant(answer.auth.ok_or(Failure::Answer)?)
    }

    /// What stands in an answer's `data`.
    async fn data<E: Endpoint>(&self, token: Option<&SecretString>, request: E) -> Result<E::Response, Failure> {
        let answer: EndpointResult<E::Response> = self.carried(token, request).await?.wrap()?;
        answer.data.ok_or(Failure::Answer)
    }

    /// An answer whose type has `data` itself.
    async fn whole<E: Endpoint>(&self, token: &SecretString, request: E) -> Result<E::Response, Failure> {
        Ok(self.carried(Some(token), request).await?.parse()?)
    }

    async fn carried<E: Endpoint>(
        &self,
        token: Option<&SecretString>,
        request: E,
    ) -> Result<Carried<E::Response>, Failure> {
        let token = token.map(|token| token.expose_secret().to_owned()).unwrap_or_default();
        let (version, namespace) = ("v1".to_owned(), self.settings.namespace.clone());
        let headers = EndpointMiddleware { token, version, wrap: None, namespace };
        Ok(request.with_middleware(&headers).exec(&self.transport).await?)
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.address.clone();
        url.set_path(&format!("v1/{path}"));
        url
    }
}

/// What a certificate is asked for.
pub struct CertificateNames<'a> {
    /// The first name.
    pub common: &'a str,
    /// Further names, with commas between.
    pub alternative: String,
    /// Addresses, with commas between.
    pub addresses: String,
    /// How long it is to hold.
    pub ttl: Duration,
}

/// Ten years: nobody sees a difference to a longer one.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3_600);

/// The library panics over a token that cannot stand in a header.
fn grant(answer: AuthInfo) -> Result<Grant, Failure> {
    if answer.client_token.is_empty() || !answer.client_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Answer);
    }
    // Sums of times must not overflow, whatever an answer says.
    let ttl = Duration::from_secs(answer.lease_duration).min(LONGEST);
    Ok(Grant { secret: answer.client_token.into(), ttl, renewable: answer.renewable })
}

/// Nothing there, or deleted in its newest version.
fn unless_missing<T>(found: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Status(404)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

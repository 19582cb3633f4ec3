//! Calls to the server's HTTP API: a method, a path, a token, JSON there and back.
//! Judges by status codes and never by texts, and shows neither a token nor a body.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::error::SetUpError;

/// A busy server syncs its storage before it answers.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where the server is and who vouches for it.
#[derive(Debug, Clone)]
pub struct ServerAddress {
    /// Such as `https://127.0.0.1:8200`.
    pub url: String,
    /// A PEM file with the authority of its certificate; the system's authorities when absent.
    pub ca_cert: Option<PathBuf>,
}

/// One server, as whoever holds `token`.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<SecretString>,
}

/// What came back. Has no `Debug`: a body may hold a secret.
pub struct Answer {
    /// The status code.
    pub status: u16,
    body: Value,
    call: String,
    url: String,
}

// === impl Client ===

impl Client {
    /// As nobody.
    ///
    /// # Errors
    /// The authority's file cannot be read.
    pub fn new(server: &ServerAddress) -> Result<Self, SetUpError> {
        // Whoever was first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Tokens travel in headers: neither a proxy nor another address gets them.
        let mut builder =
            reqwest::Client::builder().timeout(TIMEOUT).no_proxy().redirect(reqwest::redirect::Policy::none());
        if let Some(file) = &server.ca_cert {
            let pem = std::fs::read(file).map_err(SetUpError::io("read the authority's certificate", file))?;
            let no_certificate = || SetUpError::Connection(format!("`{}` holds no certificate in PEM", file.display()));
            let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| no_certificate())?;
            if authorities.is_empty() {
                return Err(no_certificate());
            }
            builder = builder.tls_certs_only(authorities);
        } else if server.url.starts_with("http://") {
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| SetUpError::Connection(format!("cannot use TLS: {error}")))?;
        Ok(Self { http, url: server.url.trim_end_matches('/').to_owned(), token: None })
    }

    /// The same server as somebody.
    pub fn with_token(&self, token: SecretString) -> Self {
        Self { token: Some(token), ..self.clone() }
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, SetUpError> {
        self.call(Method::GET, path, None, None).await
    }

    /// POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Answer, SetUpError> {
        self.call(Method::POST, path, Some(body), None).await
    }

    /// POST whose answer comes wrapped: a token that opens it once, within `ttl`.
    pub(crate) async fn post_wrapped(&self, path: &str, body: Value, ttl: Duration) -> Result<Answer, SetUpError> {
        self.call(Method::POST, path, Some(body), Some(ttl)).await
    }

    /// PUT of JSON.
    pub(crate) async fn put(&self, path: &str, body: Value) -> Result<Answer, SetUpError> {
        self.call(Method::PUT, path, Some(body), None).await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, SetUpError> {
        self.call(Method::DELETE, path, None, None).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        wrap: Option<Duration>,
    ) -> Result<Answer, SetUpError> {
        let call = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}/v1/{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("X-Vault-Token", token.expose_secret());
        }
        if let Some(ttl) = wrap {
            request = request.header("X-Vault-Wrap-TTL", format!("{}s", ttl.as_secs()));
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        let unreachable = |error| SetUpError::Unreachable { address: self.url.clone(), reason: innermost(&error) };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.map_err(unreachable)?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status, body, call, url: self.url.clone() })
    }
}

/// The last of the causes says what happened; those above say that something did.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

// === impl Answer ===

impl Answer {
    /// Whether it is a yes.
    pub(crate) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The status of a no.
    pub(crate) fn refusal(&self) -> Option<u16> {
        Some(self.status).filter(|status| *status >= 400)
    }

    /// The answer itself if it is a yes.
    pub(crate) fn ok(self) -> Result<Self, SetUpError> {
        if self.is_ok() {
            return Ok(self);
        }
        Err(self.refused())
    }

    /// A yes, or nothing where the answer is 404.
    pub(crate) fn found(self) -> Result<Option<Self>, SetUpError> {
        if self.status == 404 {
            return Ok(None);
        }
        self.ok().map(Some)
    }

    /// This status as the reason why nothing goes on.
    pub(crate) fn refused(self) -> SetUpError {
        SetUpError::Refused { call: self.call, status: self.status }
    }

    /// What stands at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> Option<&Value> {
        self.body.pointer(pointer).filter(|value| !value.is_null())
    }

    /// The text at a JSON pointer.
    pub(crate) fn text(&self, pointer: &'static str) -> Result<&str, SetUpError> {
        self.at(pointer).and_then(Value::as_str).ok_or_else(|| self.lacks(pointer))
    }

    /// The secret text at a JSON pointer.
    pub(crate) fn secret(&self, pointer: &'static str) -> Result<SecretString, SetUpError> {
        self.text(pointer).map(SecretString::from)
    }

    /// The number at a JSON pointer.
    pub(crate) fn number(&self, pointer: &'static str) -> Result<u64, SetUpError> {
        self.at(pointer).and_then(Value::as_u64).ok_or_else(|| self.lacks(pointer))
    }

    /// The texts of the list at a JSON pointer.
    pub(crate) fn texts(&self, pointer: &'static str) -> Result<Vec<&str>, SetUpError> {
        let list = self.at(pointer).and_then(Value::as_array).ok_or_else(|| self.lacks(pointer))?;
        Ok(list.iter().filter_map(Value::as_str).collect())
    }

    fn lacks(&self, field: &'static str) -> SetUpError {
        SetUpError::Malformed { call: self.call.clone(), field, address: self.url.clone() }
    }
}

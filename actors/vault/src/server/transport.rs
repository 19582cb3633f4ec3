//! Carries requests to the server, goes nowhere else with them, and reads no more of an answer than there can be in one.
//! Does not know what is asked, and leaves it to others what a status means.

use std::pin::Pin;

use http_1::{Request, Response};
use reqwest::Client;
use rustify::client::Client as Carrier;
use rustify::errors::ClientError;

/// A listing of ten thousand users has a tenth of it.
pub const MOST_BYTES: usize = 4 * 1_024 * 1_024;

/// More than [`MOST_BYTES`].
#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {MOST_BYTES} bytes")]
pub struct TooLarge;

/// One server, and the connections to it.
pub struct Transport {
    base: String,
    http: Client,
}

// === impl Transport ===

impl Transport {
    /// To the server at this address.
    pub const fn new(base: String, http: Client) -> Self {
        Self { base, http }
    }

    async fn carry(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError> {
        let (url, method) = (request.uri().to_string(), request.method().to_string());
        let request = request.try_into().map_err(|source| ClientError::ReqwestBuildError { source })?;
        let sent = self.http.execute(request).await;
        let answer = sent.map_err(|error| ClientError::RequestError { source: error.into(), url, method })?;
        let status = answer.status();
        let body = bounded(answer).await?;
        let mut whole = Response::new(body);
        *whole.status_mut() = status;
        Ok(whole)
    }
}

impl Carrier for Transport {
    fn base(&self) -> &str {
        &self.base
    }

    fn send<'here, 'answer>(
        &'here self,
        request: Request<Vec<u8>>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, ClientError>> + Send + 'answer>>
    where
        'here: 'answer,
        Self: 'answer,
    {
        Box::pin(self.carry(request))
    }
}

/// A server that is none, or somebody before it, could fill the memory within `vault.timeout`.
pub async fn bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| ClientError::ResponseError { source: error.into() };
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(ClientError::ResponseError { source: TooLarge.into() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

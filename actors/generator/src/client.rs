//! The one client that posts sales: it sends a body again, unchanged, until it knows what became of it.
//! Does not read the answer's body; the status says everything that a till has to know.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use secrecy::SecretString;
use tillstream_posting as posting;
use tillstream_posting::Trust;
use tillstream_traces::{Origin, Step};
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{ClientError, Unanswered};
use crate::metrics::{self, Attempt};

const PATH: [&str; 4] = ["api", "v1", "pos", "validate_transaction"];
/// The same, as spans say it.
const TEMPLATE: &str = "/api/v1/pos/validate_transaction";

/// A till's user.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: SecretString,
}

/// When a body is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRules {
    /// An attempt without an answer after this long counts as cut.
    pub request_timeout: Duration,
    /// First pause where the service names none; doubles.
    pub first_pause: Duration,
    /// No pause is longer, whatever `Retry-After` says.
    pub longest_pause: Duration,
    /// Gives up after this long; `None` never does.
    pub deadline: Option<Duration>,
}

/// The service's word on a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// The status that settles it: 200, or one that no repetition changes.
    pub status: u16,
    /// How often it was sent.
    pub attempts: u32,
    /// From the first attempt to the answer.
    pub waited: Duration,
}

/// Posts sales. Clones share connections and credentials.
#[derive(Debug, Clone)]
pub struct PosClient {
    http: Client,
    url: Url,
    rules: RetryRules,
    authorization: Arc<RwLock<HeaderValue>>,
}

impl Default for RetryRules {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(10),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(5),
            deadline: None,
        }
    }
}

impl Posted {
    /// Whether the service has it on disk.
    pub const fn is_accepted(&self) -> bool {
        self.status == 200
    }
}

impl PosClient {
    /// A client for the service at this base, with or without a path prefix.
    ///
    /// # Errors
    /// The base, the files of the trust or the credentials cannot be used.
    pub fn new(base: &str, trust: &Trust, credentials: &Credentials, rules: RetryRules) -> Result<Self, ClientError> {
        let url = endpoint(base)?;
        let http = trust.client(&url)?.connect_timeout(rules.request_timeout).timeout(rules.request_timeout).build()?;
        let authorization = Arc::new(RwLock::new(basic(credentials)?));
        Ok(Self { http, url, rules, authorization })
    }

    /// Uses other credentials from the next attempt on, also for bodies that are being retried.
    ///
    /// # Errors
    /// They cannot stand in a header.
    pub fn set_credentials(&self, credentials: &Credentials) -> Result<(), ClientError> {
        *self.authorization.write().unwrap_or_else(PoisonError::into_inner) = basic(credentials)?;
        Ok(())
    }

    /// Sends the body until the service's answer settles it. Overload (429), a server's trouble (5xx), a cut connection
    /// and a timeout settle nothing: the same body goes out again, so that the same id does. One body, one trace: it begins with
    /// the first attempt, and each repetition is a span below that.
    ///
    /// # Errors
    /// The deadline passed; the sale may or may not have been taken.
    pub async fn post_until_known(&self, body: Bytes) -> Result<Posted, Unanswered> {
        let started = Instant::now();
        let give_up = self.rules.deadline.map(|deadline| started + deadline);
        let (mut origin, mut attempts) = (Origin::begin(), 0);
        loop {
            let attempted = self.attempt(body.clone(), &origin, attempts).await;
            attempts += 1;
            let obstacle = match attempted {
                Attempted::Settled(status) => {
                    return Ok(Posted { status: status.as_u16(), attempts, waited: started.elapsed() });
                }
                Attempted::Unsettled(obstacle) => obstacle,
            };
            let pause = self.rules.pause(attempts, obstacle.retry_after);
            if give_up.is_some_and(|at| Instant::now() + pause >= at) {
                return Err(Unanswered { attempts, waited: started.elapsed(), last: obstacle.what });
            }
            sleep(pause).await;
            origin = Origin::Sent(origin.context());
        }
    }

    /// `before` is how often it was sent already.
    async fn attempt(&self, body: Bytes, origin: &Origin, before: u32) -> Attempted {
        let started = Instant::now();
        let mut step = tillstream_traces::post(origin, TEMPLATE);
        step.resent(before);
        let sending = self.request(&step, origin).body(body).send();
        let attempted = match timeout_at(started + self.rules.request_timeout, finish(sending)).await {
            Ok(Ok(answer)) => Attempted::answered(answer, &mut step),
            Ok(Err(error)) => {
                step.fail(posting::kind(&error));
                Attempted::Unsettled(Obstacle { what: posting::innermost(&error), retry_after: None })
            }
            Err(_) => {
                step.fail("timeout");
                Attempted::Unsettled(Obstacle { what: "timeout".to_owned(), retry_after: None })
            }
        };
        metrics::attempted(attempted.kind(), started.elapsed());
        attempted
    }

    /// The service hears of every trace that was decided about here, so that it does not decide anew about those that are not kept.
    fn request(&self, step: &Step, origin: &Origin) -> RequestBuilder {
        let authorization = self.authorization.read().unwrap_or_else(PoisonError::into_inner).clone();
        let request = self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        let request = request.header(AUTHORIZATION, authorization);
        if !tillstream_traces::is_on() {
            return request;
        }
        let context = step.context_or(None).unwrap_or_else(|| origin.context());
        posting::traced(request, &context.traceparent(), context.tracestate())
    }
}

/// What one attempt met.
enum Attempted {
    Settled(StatusCode),
    Unsettled(Obstacle),
}

/// What came back.
struct Answer {
    status: StatusCode,
    is_settled: bool,
    retry_after: Option<Duration>,
}

/// Why an attempt settled nothing.
struct Obstacle {
    what: String,
    retry_after: Option<Duration>,
}

impl Attempted {
    fn answered(answer: Answer, step: &mut Step) -> Self {
        let Answer { status, is_settled, retry_after } = answer;
        step.answered(status.as_u16());
        if is_settled {
            return Self::Settled(status);
        }
        Self::Unsettled(Obstacle { what: format!("status {status}"), retry_after })
    }

    const fn kind(&self) -> Attempt {
        match self {
            Self::Settled(StatusCode::OK) => Attempt::Success,
            Self::Settled(_) => Attempt::HttpError,
            Self::Unsettled(_) => Attempt::RequestError,
        }
    }
}

impl RetryRules {
    fn pause(&self, attempts: u32, retry_after: Option<Duration>) -> Duration {
        posting::pause(self.first_pause, self.longest_pause, attempts, retry_after)
    }
}

/// The body of the answer is read to its end so that the connection can be used again.
async fn finish(sending: impl Future<Output = reqwest::Result<Response>>) -> reqwest::Result<Answer> {
    let response = sending.await?;
    let (status, retry_after) = (response.status(), posting::retry_after(&response));
    let answer = Answer { status, is_settled: is_settled(&response), retry_after };
    match response.bytes().await {
        // A status that settles the sale holds even if the rest of the answer is cut.
        Err(error) if !answer.is_settled => Err(error),
        _ => Ok(answer),
    }
}

fn is_settled(response: &Response) -> bool {
    let status = response.status();
    let passes = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
    !(status.is_server_error() || passes || posting::is_nobodys(response))
}

fn endpoint(base: &str) -> Result<Url, ClientError> {
    posting::endpoint(base, PATH).map_err(|reason| ClientError::InvalidUrl { url: base.to_owned(), reason })
}

fn basic(credentials: &Credentials) -> Result<HeaderValue, ClientError> {
    posting::basic(&credentials.user, &credentials.password).map_err(|_| ClientError::InvalidCredentials)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod traces_tests;

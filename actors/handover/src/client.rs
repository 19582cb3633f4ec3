//! One attempt after the other to post a window, until the answer settles it or patience ends.
//! Holds no event beyond its own call.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::SecretString;
use tillstream_messages::{AggregateRefused, PublishError, SecretTree, TraceContext};
use tillstream_posting as posting;
use tillstream_posting::Trust;
use tillstream_traces::{Origin, Step};
use tokio::time::{Instant, sleep};

use crate::error::ClientError;
use crate::metrics::ATTEMPTS;
use crate::refusal::broken_rules;
use crate::settings::HandoverRules;

/// Where aggregation's HTTP user stands in the secret tree.
const USER_PATH: &str = "validation-service/creds/aggregation-service";
const ROUTE: [&str; 4] = ["api", "v1", "pos", "amount-per-store"];
/// The same, as spans say it.
const TEMPLATE: &str = "/api/v1/pos/amount-per-store";

/// The user that hands windows over.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: SecretString,
}

/// Posts windows. Clones share connections and credentials.
#[derive(Debug, Clone)]
pub struct ValidationClient {
    http: Client,
    url: Url,
    rules: HandoverRules,
    authorization: Arc<RwLock<HeaderValue>>,
}

/// What one attempt came to.
enum Attempt {
    /// The broker has it on disk.
    Taken,
    /// No repetition changes this soon.
    Refused(AggregateRefused),
    /// Nobody knows.
    Unsettled { what: String, retry_after: Option<Duration> },
}

/// What is sent with every attempt.
struct Parcel<'a> {
    body: Bytes,
    trace: Option<&'a TraceContext>,
    give_up: Instant,
}

// === impl Credentials ===

impl Credentials {
    /// The user as the secret tree has it.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn of(tree: &SecretTree) -> Result<Self, ClientError> {
        let read = |key| tree.expose(USER_PATH, key).ok_or(ClientError::MissingSecret { path: USER_PATH, key });
        Ok(Self { user: read("username")?.to_owned(), password: read("password")?.to_owned().into() })
    }

    /// Whether one of these paths holds it.
    pub fn are_among(paths: &[String]) -> bool {
        paths.iter().any(|path| path == USER_PATH)
    }

    fn basic(&self) -> Result<HeaderValue, ClientError> {
        posting::basic(&self.user, &self.password).map_err(|_| ClientError::InvalidCredentials)
    }
}

// === impl ValidationClient ===

impl ValidationClient {
    /// A client for the service at this base, with or without a path prefix.
    ///
    /// # Errors
    /// The base, the files of the trust or the credentials cannot be used.
    pub fn new(
        base: &str,
        trust: &Trust,
        credentials: &Credentials,
        rules: HandoverRules,
    ) -> Result<Self, ClientError> {
        let url = endpoint(base)?;
        let http = trust.client(&url)?.build()?;
        let authorization = Arc::new(RwLock::new(credentials.basic()?));
        Ok(Self { http, url, rules, authorization })
    }

    /// Uses other credentials from the next attempt on, also for windows that are being retried.
    ///
    /// # Errors
    /// They cannot stand in a header.
    pub fn set_credentials(&self, credentials: &Credentials) -> Result<(), ClientError> {
        *self.authorization.write().unwrap_or_else(PoisonError::into_inner) = credentials.basic()?;
        Ok(())
    }

    /// Sends the event again, unchanged, until it is taken or refused, or until patience ends. What an attempt met is told
    /// to `on_trouble` once the trouble lasts. Every attempt is a span of its own below `trace`, and says so to the service.
    ///
    /// # Errors
    /// Nobody knows whether the broker has it, or it is refused for its content.
    pub async fn hand_over(
        &self,
        body: Bytes,
        trace: Option<&TraceContext>,
        on_trouble: impl Fn(&PublishError),
    ) -> Result<(), AggregateRefused> {
        let started = Instant::now();
        let parcel = Parcel { body, trace, give_up: started + self.rules.patience };
        let mut attempts = 0;
        loop {
            let (what, retry_after) = match self.attempt(&parcel, attempts).await {
                Attempt::Taken => return Ok(()),
                Attempt::Refused(refused) => return Err(refused),
                Attempt::Unsettled { what, retry_after } => (what, retry_after),
            };
            attempts += 1;
            let trouble = down(&format!("{what}, tried {attempts} times"));
            let pause = self.rules.pause(attempts, retry_after);
            if Instant::now() + pause >= parcel.give_up {
                return Err(trouble.into());
            }
            if started.elapsed() >= self.rules.passing {
                on_trouble(&trouble);
            }
            sleep(pause).await;
        }
    }

    /// `before` is how often it was sent already.
    async fn attempt(&self, parcel: &Parcel<'_>, before: u32) -> Attempt {
        let patience = parcel.give_up.saturating_duration_since(Instant::now());
        let mut step = post(parcel.trace);
        step.resent(before);
        let authorization = self.authorization.read().unwrap_or_else(PoisonError::into_inner).clone();
        let request = self.http.post(self.url.clone()).timeout(patience.min(self.rules.request_timeout));
        let request = request.header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/problem+json");
        let request = match step.context().or(parcel.trace) {
            Some(trace) => posting::traced(request, &trace.traceparent(), trace.tracestate()),
            None => request,
        };
        let request = request.header(AUTHORIZATION, authorization).body(parcel.body.clone());
        let attempt = judged(request.send(), &mut step).await.unwrap_or_else(|error| {
            step.fail(posting::kind(&error));
            Attempt::Unsettled { what: posting::innermost(&error), retry_after: None }
        });
        ATTEMPTS.with_label_values(&[attempt.outcome()]).inc();
        attempt
    }
}

// === impl Attempt ===

impl Attempt {
    const fn outcome(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused(_) => "refused",
            Self::Unsettled { .. } => "repeated",
        }
    }
}

// === impl HandoverRules ===

impl HandoverRules {
    fn pause(&self, attempts: u32, retry_after: Option<Duration>) -> Duration {
        posting::pause(self.first_pause, self.longest_pause, attempts, retry_after)
    }
}

/// The body is read to its end in any case, so that the connection can be used again.
async fn judged(sending: impl Future<Output = reqwest::Result<Response>>, step: &mut Step) -> reqwest::Result<Attempt> {
    let response = sending.await?;
    let (status, pause) = (response.status(), posting::retry_after(&response));
    step.answered(status.as_u16());
    let body = response.bytes().await;
    // A status that settles the window holds even if the rest of the answer is cut.
    Ok(match status {
        StatusCode::OK => Attempt::Taken,
        _ if is_about_the_body(status) => {
            Attempt::Refused(AggregateRefused::Invalid(broken_rules(status, &body.unwrap_or_default())))
        }
        _ if is_worth_a_pause(status) => {
            Attempt::Unsettled { what: format!("validation answered {status}"), retry_after: pause }
        }
        _ => {
            Attempt::Refused(down(&format!("it answered {status}, check `window.validation_url` and the user")).into())
        }
    })
}

/// The event itself is at fault: a validator of this process would refuse it too.
const fn is_about_the_body(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY
    )
}

/// 401 too: a password that has just been changed reaches both ends within seconds.
fn is_worth_a_pause(status: StatusCode) -> bool {
    let passing = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || passing.contains(&status)
}

fn post(trace: Option<&TraceContext>) -> Step {
    trace.map_or_else(Step::none, |trace| tillstream_traces::post(&Origin::Sent(trace.clone()), TEMPLATE))
}

fn down(what: &str) -> PublishError {
    PublishError::Down(format!("validation does not take windows: {what}"))
}

fn endpoint(base: &str) -> Result<Url, ClientError> {
    posting::endpoint(base, ROUTE).map_err(|reason| ClientError::InvalidUrl { url: base.to_owned(), reason })
}

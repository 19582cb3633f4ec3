//! `GET /api/v1/events`: the live model as server-sent events.
//! Holds nothing for a client that is slow: when it reads again it gets what it lacks, or everything.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::{Stream, stream};
use serde_json::json;
use tillstream_domain::Action;
use tokio::time::Instant;

use super::Api;
use super::auth::Principal;
use super::errors::ApiError;
use crate::live::{BEAT, NoPlace, Page, Reader, Turn};
use crate::roles::Role;

/// How long a browser waits before it connects again.
const RETRY_MS: u32 = 2_000;
/// How often it is looked whether whoever watches may still do so.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// What the stream of one client is made of.
struct Follower {
    api: web::Data<Api>,
    /// Who watches, as the request has proven it.
    request: HttpRequest,
    page: Page,
    hello: Option<Bytes>,
    looked: Instant,
}

/// Watch the process: one snapshot of everything that the live page shows, then what changes, a few times a second. Server-sent
/// events: `hello` (who watches), `snapshot` (the whole model; it replaces what was there), `change` (JSON Merge Patch, RFC 7396:
/// null deletes). `Last-Event-ID` resumes after a lost connection with what was missed, or with a snapshot. A comment is a sign of
/// life while nothing changes. The stream ends when the process stops or the user's right does.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "reporting",
    operation_id = "events",
    params(super::documents::EventHeaders),
    responses(
        (status = 200, description = "An endless stream", body = super::documents::EventDocument,
            content_type = "text/event-stream"),
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let live = api.live.as_ref().ok_or(ApiError::RoleAbsent(Role::Reporting))?;
    let user = api.gate.authorize(&request, Action::Watch)?;
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream").insert_header((header::CACHE_CONTROL, "no-store"));
    response.insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    let page = live.open(Reader { by: user.by.name(), name: user.name.clone() }, last)?;
    let (hello, looked) = (Some(hello(&user)), Instant::now());
    let follower = Follower { api: api.clone(), request: request.clone(), page, hello, looked };
    Ok(response.streaming(follower.stream()))
}

impl Follower {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut follower| async move {
            let bytes = follower.next().await?;
            Some((Ok(bytes), follower))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(hello) = self.hello.take() {
            return Some(hello);
        }
        loop {
            if self.looked.elapsed() >= LOOK_EVERY {
                self.looked = Instant::now();
                if !self.api.gate.still_admits(&self.request, Action::Watch) {
                    return None;
                }
            }
            match self.page.turn(LOOK_EVERY).await {
                Turn::Send(bytes) => return Some(bytes),
                Turn::Look => {}
                Turn::End => return None,
            }
        }
    }
}

impl From<NoPlace> for ApiError {
    fn from(why: NoPlace) -> Self {
        match why {
            NoPlace::Full => Self::Unavailable(why.to_string()),
            NoPlace::ReaderFull => Self::TooMany(why.to_string()),
        }
    }
}

/// What a page must know of whoever watches; it has no number, because it is nobody else's.
fn hello(user: &Principal) -> Bytes {
    let document = json!({"user": *user.name, "role": user.role.name(), "heartbeat_seconds": BEAT.as_secs()});
    format!("retry: {RETRY_MS}\n\nevent: hello\ndata: {document}\n\n").into()
}

//! What becomes of a request's body that nobody reads: discarded before the answer, or held until the answer is sent.
//! Does not bound one that a handler reads; `body` does.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::{Version, header};
use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use tokio::time::{Instant, timeout_at};

use super::settings::HttpSettings;

/// A body that is refused for its length is a little longer than the longest one that is taken.
const OVER_LENGTH: usize = 64 * 1024;

/// Keeps hold of a body until its answer is sent, where the server would not do right by what is left of it.
///
/// HTTP/1 and chunked: the server discards the rest of a body that nobody holds, for as long as the client likes to
/// send; one that is still held when the answer has left makes it close the connection soon, as it does where a length
/// is announced. HTTP/2: the server resets a stream whose body nobody holds, and clients that are still sending take
/// the reset for a failure and throw the answer away; so what is left is read before the answer is sent.
pub struct Unread {
    /// Also held by the handler while it reads.
    body: Rc<RefCell<Body>>,
    /// How much of it is discarded; `None` where it is only held.
    bounds: Option<Bounds>,
}

/// A body, and how much of it was read.
struct Body {
    payload: Payload,
    read: usize,
}

/// A client that goes on beyond them gets its answer at once, and the reset behind it.
#[derive(Clone, Copy)]
struct Bounds {
    bytes: usize,
    until: Instant,
}

/// An answer that holds what is left of its request.
struct Holding {
    /// The answer.
    body: BoxBody,
    /// Dropped with it.
    _unread: Unread,
}

// === impl Unread ===

impl Unread {
    /// Takes hold of a body that needs it; the handler reads it as before.
    pub fn of(request: &mut ServiceRequest, settings: &HttpSettings) -> Option<Self> {
        let is_http_2 = request.version() == Version::HTTP_2;
        if !is_http_2 && !request.chunked().unwrap_or(false) {
            return None;
        }
        let bounds = is_http_2.then(|| Bounds::of(settings)).filter(|bounds| !announces_more(request, bounds.bytes));
        let body = Rc::new(RefCell::new(Body { payload: request.take_payload(), read: 0 }));
        let shared = body.clone();
        let parts = stream::poll_fn(move |context| shared.borrow_mut().poll_part(context));
        request.set_payload(Payload::Stream { payload: Box::pin(parts) });
        Some(Self { body, bounds })
    }

    /// Reads what is left and forgets it; at once where nothing is.
    pub async fn discard(unread: Option<&Self>) {
        let Some((unread, bounds)) = unread.and_then(|unread| Some((unread, unread.bounds?))) else { return };
        let rest = future::poll_fn(|context| unread.body.borrow_mut().poll_discard(bounds.bytes, context));
        // Who takes too long gets his answer all the same.
        drop(timeout_at(bounds.until, rest).await);
    }

    /// Lets the answer hold what is left of the request, if there was anything to hold.
    pub fn hold<B: MessageBody + 'static>(
        unread: Option<Self>,
        response: ServiceResponse<B>,
    ) -> ServiceResponse<EitherBody<B>> {
        let Some(unread) = unread.filter(|unread| !unread.body.borrow().is_over()) else {
            return response.map_into_left_body();
        };
        response.map_body(|_, body| EitherBody::right(Holding { body: body.boxed(), _unread: unread }.boxed()))
    }
}

fn announces_more(request: &ServiceRequest, bytes: usize) -> bool {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    announced.is_some_and(|length: usize| length > bytes)
}

// === impl Bounds ===

impl Bounds {
    /// The time runs from the request's head on, so that a body that took too long is not waited for again.
    fn of(settings: &HttpSettings) -> Self {
        // A time that no clock reaches bounds nothing.
        let within = settings.body_timeout.min(Duration::from_secs(24 * 3_600));
        Self { bytes: settings.max_body.saturating_add(OVER_LENGTH), until: Instant::now() + within }
    }
}

// === impl Body ===

impl Body {
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let part = ready!(self.payload.poll_next_unpin(context));
        match &part {
            Some(Ok(bytes)) => self.read += bytes.len(),
            Some(Err(_)) => {}
            None => self.payload = Payload::None,
        }
        Poll::Ready(part)
    }

    fn poll_discard(&mut self, most: usize, context: &mut Context<'_>) -> Poll<()> {
        while self.read <= most {
            if !matches!(ready!(self.poll_part(context)), Some(Ok(_))) {
                break;
            }
        }
        Poll::Ready(())
    }

    const fn is_over(&self) -> bool {
        matches!(self.payload, Payload::None)
    }
}

// === impl Holding ===

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

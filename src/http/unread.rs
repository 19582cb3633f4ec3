//! Closes the connection of a client that never ends the body of a refused request.
//! Does not read a body, nor bound one that a handler reads; `body` does.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

/// Keeps hold of a chunked body until its answer is sent.
///
/// The server discards the rest of a chunked body that nobody holds, for as long as the client likes to send; one that
/// is still held when the answer has left makes it close the connection soon, as it does where a length is announced.
pub struct Unread {
    /// Also held by the handler while it reads.
    _payload: Rc<RefCell<Payload>>,
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
    /// Takes hold of a chunked body; the handler reads it as before.
    pub fn of(request: &mut ServiceRequest) -> Option<Self> {
        if !request.chunked().unwrap_or(false) {
            return None;
        }
        let payload = Rc::new(RefCell::new(request.take_payload()));
        let shared = payload.clone();
        let chunks = stream::poll_fn(move |context| shared.borrow_mut().poll_next_unpin(context));
        request.set_payload(Payload::Stream { payload: Box::pin(chunks) });
        Some(Self { _payload: payload })
    }

    /// Lets the answer hold what is left of the request, if it was chunked.
    pub fn hold<B: MessageBody + 'static>(
        unread: Option<Self>,
        response: ServiceResponse<B>,
    ) -> ServiceResponse<EitherBody<B>> {
        let Some(unread) = unread else { return response.map_into_left_body() };
        response.map_body(|_, body| EitherBody::right(Holding { body: body.boxed(), _unread: unread }.boxed()))
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

//! The wrapping in which every message reaches its actor: the place for accounting, faults and abandoned asks.
//! Does not choose who gets the message and never blocks.

use std::any::type_name;
use std::cell::Cell;

use actix::dev::{Envelope, EnvelopeProxy, MessageResponse, OneshotSender, ToEnvelope};
use actix::{Actor, Handler, Message};

use crate::context::SupervisedContext;
use crate::fence;

thread_local! {
    /// Set by a handle around its call of the channel: `pack` runs inside that call and has no other way to know.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs one send whose message was admitted to the mailbox and has to give its place back when it is taken out.
pub(crate) fn counted<R>(send: impl FnOnce() -> R) -> R {
    COUNTED.set(true);
    let sent = send();
    COUNTED.set(false);
    sent
}

struct Parcel<M: Message> {
    /// None once the handler has it.
    message: Option<M>,
    /// Where the caller waits, if it does.
    reply: Option<OneshotSender<M::Result>>,
    counted: bool,
}

impl<A, M> ToEnvelope<A, M> for SupervisedContext<A>
where
    A: Actor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, reply: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        Envelope::with_proxy(Box::new(Parcel { message: Some(message), reply, counted: COUNTED.get() }))
    }
}

impl<A, M> EnvelopeProxy<A> for Parcel<M>
where
    A: Actor<Context = SupervisedContext<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn handle(&mut self, actor: &mut A, ctx: &mut SupervisedContext<A>) {
        if self.counted {
            ctx.vitals().leave();
        }
        let reply = self.reply.take();
        if reply.as_ref().is_some_and(OneshotSender::is_closed) {
            return; // The caller gave up: the work would be for nobody.
        }
        let Some(message) = self.message.take() else { return };
        ctx.in_hand = Some(type_name::<M>());
        let response = <A as Handler<M>>::handle(actor, message, ctx);
        if fence::abandoned() {
            return; // The caller was told that its message is lost; the actor lives on another thread.
        }
        if ctx.shared().fault.take_after(&ctx.shared().generation) {
            panic!("injected fault: after the handler, before the reply");
        }
        response.handle(ctx, reply);
        ctx.in_hand = None;
        ctx.vitals().advance();
    }
}

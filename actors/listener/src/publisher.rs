//! One publisher's flow: which of its messages are new, which the broker has, and what its client must still be told.
//! Knows no socket and no topic; it survives its connection, together with what it waits for.
//!
//! Three rules make an answer true. The broker's words are heard in the order of arrival, because an acknowledgement and a
//! rejection both cover everything before them. Nothing is answered beyond what this connection has carried: a client
//! that resumed may learn of a rejection only when it has sent that message again. And a rejection is remembered until
//! the client's window has moved past it, so that a cut connection cannot turn it into an acknowledgement.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use tillstream_broker::{PublishError, Publishing};
use tillstream_smf::Response;
use tokio::time::Instant;

/// No client may have more messages under way than this.
const WIDEST: u64 = 255;

/// A publisher's flow; `W` is the broker's word about one message.
pub(crate) struct PublisherFlow<W = Publishing> {
    /// By which its client resumes.
    pub(crate) name: String,
    /// Copied by the client into its messages.
    pub(crate) publisher_id: u32,
    /// Whose it is: nobody else resumes it.
    user: String,
    /// The connection at work on it.
    holder: Option<u64>,
    /// Since when it has none.
    left: Option<Instant>,
    /// Messages that the client may have under way.
    window: usize,
    /// The last message that arrived, over all connections.
    received: u64,
    /// The last message that this connection has carried or was told about when it resumed.
    carried: u64,
    /// The last message whose fate is known; all before it are known too.
    settled: u64,
    /// The last message that this connection was told about.
    told: u64,
    /// The client sent something again that it was told about.
    repeat: bool,
    /// Messages whose fate is not known, in order.
    waiting: VecDeque<(u64, Fate<W>)>,
    /// How many messages have arrived.
    arrived: u64,
    /// Settled messages that were refused and whose client may not know.
    refused: VecDeque<Refused>,
}

/// A message that was refused.
struct Refused {
    id: u64,
    /// How many have arrived up to it. Ids say nothing about that: they may have holes.
    place: u64,
    response: Response,
}

/// What becomes of a message.
pub(crate) enum Fate<W = Publishing> {
    /// The broker will say.
    WithBroker(W, Addressed),
    /// It never reached the broker.
    Refused(Response),
}

/// How a message was addressed, which decides the words of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addressed {
    Topic,
    Queue,
}

/// What to make of a message that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is the next: say its fate.
    Next,
    /// It came before: nothing to do.
    Again,
    /// Something before it is missing: the client sends both again.
    Gap,
    /// More than the window allows: no client of ours does this.
    Flood,
}

/// A word to the client: the last message that it is about, and what became of it.
pub(crate) type Word = (u64, Response);

// === impl PublisherFlow ===

impl<W: Future<Output = Result<(), PublishError>> + Unpin> PublisherFlow<W> {
    pub(crate) fn new(name: String, user: String, publisher_id: u32) -> Self {
        Self {
            name,
            publisher_id,
            user,
            holder: None,
            left: Some(Instant::now()),
            window: 0,
            received: 0,
            carried: 0,
            settled: 0,
            told: 0,
            repeat: false,
            waiting: VecDeque::new(),
            arrived: 0,
            refused: VecDeque::new(),
        }
    }

    /// A connection takes it over and goes on behind the id that is returned. None when it is another user's, or when
    /// the client knows of acknowledgements that never were.
    pub(crate) fn resume(&mut self, holder: u64, user: &str, last_acked: u64, window: u8) -> Option<u64> {
        if user != self.user || last_acked > self.settled {
            return None;
        }
        // The client counts everything up to the answer as acknowledged, so it must stop before the first refusal that
        // the client may not have heard of.
        let unheard = self.refused.iter().map(|refused| refused.id).find(|id| *id > last_acked);
        let known = unheard.map_or(self.settled, |id| last_acked.max(id - 1));
        (self.holder, self.left) = (Some(holder), None);
        self.window = usize::from(window);
        (self.carried, self.told, self.repeat) = (known, known, false);
        Some(known)
    }

    /// Whether that connection is the one at work.
    pub(crate) fn is_held_by(&self, holder: u64) -> bool {
        self.holder == Some(holder)
    }

    /// The connection at work.
    pub(crate) fn holder(&self) -> Option<u64> {
        self.holder
    }

    /// Since when it has no connection.
    pub(crate) fn left(&self) -> Option<Instant> {
        self.left
    }

    /// The connection has ended, if it is still the one at work.
    pub(crate) fn leave(&mut self, holder: u64) {
        if self.is_held_by(holder) {
            (self.holder, self.left) = (None, Some(Instant::now()));
        }
    }

    /// Judges a message by its ids.
    pub(crate) fn arrive(&mut self, id: u64, previous: u64) -> Arrival {
        if id <= self.received {
            self.carried = self.carried.max(id);
            self.repeat |= id <= self.told;
            return Arrival::Again;
        }
        if previous > self.received {
            return Arrival::Gap;
        }
        if self.waiting.len() >= self.window {
            return Arrival::Flood;
        }
        Arrival::Next
    }

    /// Waits for the fate of the next message.
    pub(crate) fn take(&mut self, id: u64, fate: Fate<W>) {
        (self.received, self.carried) = (id, id);
        self.arrived += 1;
        self.waiting.push_back((id, fate));
    }

    /// Hears the broker's words, in order, until one is still to come.
    pub(crate) fn hear(&mut self, context: &mut Context<'_>) {
        while let Some((id, fate)) = self.waiting.front_mut() {
            let Poll::Ready(refusal) = fate.poll(context) else { return };
            let id = *id;
            self.settled = id;
            self.waiting.pop_front();
            let place = self.arrived - self.waiting.len() as u64;
            self.refused.extend(refusal.map(|response| Refused { id, place, response }));
        }
    }

    /// What the client must be told now.
    pub(crate) fn words(&mut self) -> Vec<Word> {
        let until = self.settled.min(self.carried);
        let mut words: Vec<Word> = Vec::new();
        if until > self.told {
            let unheard = self.refused.iter().filter(|refused| refused.id > self.told && refused.id <= until);
            words.extend(unheard.map(|refused| (refused.id, refused.response.clone())));
            if words.last().is_none_or(|(id, _)| *id < until) {
                words.push((until, Response::OK));
            }
            self.told = until;
        } else if self.repeat && self.told > 0 {
            words.push((self.told, Response::OK));
        }
        self.repeat = false;
        self.forget_refusals();
        words
    }

    /// A client has no more than a window of messages that it knows no fate of.
    fn forget_refusals(&mut self) {
        let surely_known = self.arrived.saturating_sub(WIDEST);
        while self.refused.front().is_some_and(|refused| refused.place <= surely_known && refused.id <= self.told) {
            self.refused.pop_front();
        }
    }

    /// How many messages and refusals it keeps.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.waiting.len() + self.refused.len()
    }
}

// === impl Fate ===

impl<W: Future<Output = Result<(), PublishError>> + Unpin> Fate<W> {
    /// Nothing when the message is on disk, else the refusal.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Response>> {
        match self {
            Self::Refused(response) => Poll::Ready(Some(response.clone())),
            Self::WithBroker(word, addressed) => {
                Pin::new(word).poll(context).map(|word| word.err().map(|error| refusal(error, *addressed)))
            }
        }
    }
}

/// The broker's refusal in the words from which clients choose their error.
fn refusal(error: PublishError, addressed: Addressed) -> Response {
    match (error, addressed) {
        (PublishError::NoSubscriber(_), Addressed::Queue) => Response::QUEUE_NOT_FOUND,
        // A topic that the broker cannot read is one that no queue takes.
        (PublishError::NoSubscriber(_) | PublishError::InvalidTopic(_), _) => Response::NO_SUBSCRIPTION_MATCH,
        (PublishError::Refused { .. }, _) => Response::SPOOL_OVER_QUOTA,
        (PublishError::Shut(_), _) => Response::QUEUE_SHUTDOWN,
        (PublishError::TooLarge, _) => Response::DOCUMENT_TOO_LARGE,
        (PublishError::Closed | PublishError::Overloaded | PublishError::Storage(_), _) => {
            Response::SERVICE_UNAVAILABLE
        }
    }
}

#[cfg(test)]
mod tests;

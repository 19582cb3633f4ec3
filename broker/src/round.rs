//! The answers of one commit: a publisher waits on its place in a round, without an allocation of its own.
//! Does not hold messages; those go through the inbox.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::errors::PublishError;
use crate::shared::{lock, remember};

/// All publishes that are committed together.
#[derive(Debug, Default)]
pub(crate) struct Round(Mutex<Answers>);

#[derive(Debug, Default)]
struct Answers {
    outcome: Option<Outcome>,
    waiting: Vec<Option<Waker>>,
}

/// What became of a round.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What became of most.
    pub(crate) all: Result<(), PublishError>,
    /// By place in the round, ascending: those that fared differently.
    pub(crate) except: Vec<(u32, PublishError)>,
}

/// Resolves when the message is stored and synced, or refused. Dropping it does not take the message back.
#[derive(Debug)]
#[must_use = "a message counts as stored only after this has resolved to Ok"]
pub struct Publishing(Place);

#[derive(Debug)]
enum Place {
    Refused(Option<PublishError>),
    InRound(Arc<Round>, u32),
}

// === impl Round ===

impl Round {
    /// Answers everybody; wakes happen outside the lock.
    pub(crate) fn finish(&self, outcome: Outcome) {
        let waiting = {
            let mut answers = lock(&self.0);
            answers.outcome.get_or_insert(outcome);
            std::mem::take(&mut answers.waiting)
        };
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

// === impl Outcome ===

impl Outcome {
    pub(crate) fn all(result: Result<(), PublishError>) -> Self {
        Self { all: result, except: Vec::new() }
    }

    fn of(&self, place: u32) -> Result<(), PublishError> {
        match self.except.binary_search_by_key(&place, |(index, _)| *index) {
            Ok(found) => Err(self.except[found].1.clone()),
            Err(_) => self.all.clone(),
        }
    }
}

// === impl Publishing ===

impl Publishing {
    pub(crate) fn refused(error: PublishError) -> Self {
        Self(Place::Refused(Some(error)))
    }

    pub(crate) fn waiting(round: Arc<Round>, place: u32) -> Self {
        Self(Place::InRound(round, place))
    }
}

impl Future for Publishing {
    type Output = Result<(), PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Place::Refused(error) => Poll::Ready(Err(error.take().unwrap_or(PublishError::Closed))),
            Place::InRound(round, place) => {
                let mut answers = lock(&round.0);
                if let Some(outcome) = &answers.outcome {
                    return Poll::Ready(outcome.of(*place));
                }
                let index = *place as usize;
                if answers.waiting.len() <= index {
                    answers.waiting.resize(index + 1, None);
                }
                remember(&mut answers.waiting[index], context.waker());
                Poll::Pending
            }
        }
    }
}

//! Asks in flight: several senders at once, each with notes to several clerks, some of them impatient.

use std::collections::HashMap;

use prop::sample::Index;
use proptest::prelude::{any, prop};
use proptest::strategy::Strategy as _;
use tillstream_supervision::{AskError, Handle};
use tokio::task::{JoinHandle, spawn_local};

use crate::clerk::{Clerk, Note, Page, patience};
use crate::common::settle;
use crate::world::World;

/// What one task sends.
#[derive(Debug, Clone)]
pub struct Sender {
    to: Vec<Index>,
    /// One ask after the other, or all at once.
    patient: bool,
}

pub fn sender() -> impl proptest::strategy::Strategy<Value = Sender> {
    (prop::collection::vec(any::<Index>(), 1..12), any::<bool>()).prop_map(|(to, patient)| Sender { to, patient })
}

/// Senders that are never mixed up, also over several steps of a history.
#[derive(Default)]
pub struct Office {
    senders: u64,
}

/// Asks that are under way.
pub struct Traffic(Vec<JoinHandle<Vec<Ask>>>);

struct Ask {
    page: Page,
    note: Note,
    answer: Result<u64, AskError>,
}

impl Office {
    /// Starts a task for each sender.
    pub fn send(&mut self, world: &World, senders: &[Sender]) -> Traffic {
        Traffic(senders.iter().map(|sender| self.start(world, sender)).collect())
    }

    fn start(&mut self, world: &World, sender: &Sender) -> JoinHandle<Vec<Ask>> {
        self.senders += 1;
        let (own, mut numbers) = (self.senders, HashMap::<usize, u64>::new());
        let actors: Vec<usize> = sender.to.iter().filter_map(|to| world.any_actor(*to)).collect();
        let notes: Vec<_> = actors
            .into_iter()
            .map(|actor| {
                let number = numbers.entry(actor).or_default();
                *number += 1;
                let (handle, page) = world.actor(actor);
                (handle.clone(), page.clone(), Note { sender: own, number: *number })
            })
            .collect();
        let patient = sender.patient;
        spawn_local(async move { if patient { one_by_one(notes).await } else { all_at_once(notes).await } })
    }
}

async fn one_by_one(notes: Vec<(Handle<Clerk>, Page, Note)>) -> Vec<Ask> {
    let mut asks = Vec::new();
    for (handle, page, note) in notes {
        let answer = handle.ask(note, patience(note.sender)).await;
        asks.push(Ask { page, note, answer });
        settle().await;
    }
    asks
}

async fn all_at_once(notes: Vec<(Handle<Clerk>, Page, Note)>) -> Vec<Ask> {
    let asks: Vec<_> =
        notes.into_iter().map(|(handle, page, note)| (handle.ask(note, patience(note.sender)), page, note)).collect();
    let mut answered = Vec::new();
    for (ask, page, note) in asks {
        answered.push(Ask { page, note, answer: ask.await });
    }
    answered
}

impl Traffic {
    /// Every ask has ended, and in a way that the clerk's own notes bear out. Says how many were answered.
    pub async fn check(self) -> usize {
        let mut answered = 0;
        for task in self.0 {
            for Ask { page, note, answer } in task.await.expect("it does not panic") {
                page.check(note, answer);
                answered += usize::from(answer.is_ok());
            }
        }
        answered
    }
}

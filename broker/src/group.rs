//! One commit: everything that is written together, and what it means in memory once it has landed or failed.
//! Does not write; the store does.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use crate::batch::{NewChunk, Packer};
use crate::chunks::bits;
use crate::errors::PublishError;
use crate::inbox::Waiting;
use crate::queue::Queue;
use crate::record::{Progress, Row};
use crate::round::{Outcome, Round};
use crate::settings::WhenFull;
use crate::shared::Shared;
use crate::state::State;
use crate::stored::StoredMessage;
use crate::topic::Route;

/// Everything that one transaction writes.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) sequence: u64,
    /// The broker closes in order.
    pub(crate) clean: bool,
    pub(crate) chunks: Vec<NewChunk>,
    pub(crate) rows: Vec<(u64, u16, Row)>,
    pub(crate) progress: Vec<(u16, Progress)>,
    pub(crate) dead: Vec<u64>,
    next_chunk: u64,
    moved: Vec<Moved>,
    /// Queues that go without a message, once per message.
    discards: Vec<u16>,
    except: Vec<(u32, PublishError)>,
    round: Pledge,
}

/// A round that is answered even if the engine dies over it.
#[derive(Debug)]
pub(crate) struct Pledge(pub(crate) Arc<Round>);

/// What publishers are told about a group that has landed.
#[derive(Debug)]
pub(crate) struct Answer {
    round: Pledge,
    outcome: Outcome,
}

/// Messages on their way to a dead-message queue.
#[derive(Debug)]
pub(crate) struct Moved {
    queue: u16,
    pub(crate) chunk: u64,
    mask: u64,
    /// Missing when it has to be read first.
    pub(crate) body: Option<Bytes>,
}

/// What is decided about a group before its messages are packed.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) moved: Vec<Moved>,
    dead: Vec<u64>,
    rows: Vec<(u64, u16, Row)>,
    progress: Vec<(u16, Progress)>,
    discards: Vec<u16>,
    except: Vec<(u32, PublishError)>,
    next_chunk: u64,
}

// === impl Draft ===

impl Draft {
    /// Admits messages, narrowing their routes, and collects what consumers changed since the last commit.
    /// Of chunks that are to be deleted or emptied at most so many are.
    pub(crate) fn collect(state: &mut State, messages: &mut [Waiting], most: usize) -> Self {
        let deletions = state.chunks.dead.len().min(most);
        let dead = state.chunks.dead.drain(..deletions).collect();
        let mut draft = Self { next_chunk: state.next_chunk, dead, ..Self::default() };
        for (place, waiting) in (0..).zip(messages) {
            if let Err(refusal) = draft.admit(&mut state.queues, waiting) {
                waiting.route.clear();
                draft.except.push((place, refusal));
            }
        }
        for index in 0..state.queues.len() as u16 {
            draft.collect_queue(state, index, most);
        }
        draft
    }

    /// Takes queues out of the route that go without the message; fails when one refuses it for all.
    fn admit(&mut self, queues: &mut [Queue], waiting: &mut Waiting) -> Result<(), PublishError> {
        let len = StoredMessage::of(&waiting.message).len() as u64;
        let takes = |index: &u16| queues[*index as usize].takes(len);
        let (with, without): (Route, Route) = waiting.route.iter().copied().partition(takes);
        let refuses = |index: &&u16| queues[**index as usize].spec.when_full == WhenFull::RefusePublisher;
        if let Some(index) = without.iter().find(refuses) {
            return Err(queues[*index as usize].refusal());
        }
        with.iter().for_each(|index| queues[*index as usize].pending_bytes += len);
        self.discards.extend(without);
        waiting.route = with;
        Ok(())
    }

    fn collect_queue(&mut self, state: &mut State, index: u16, most: usize) {
        let queue = &mut state.queues[index as usize];
        let leaving = queue.take_leaving(most);
        // The move and its row land together: neither lost nor in both queues.
        leaving.keys().for_each(|chunk| queue.touch(*chunk));
        let mut rows = queue.take_rows();
        for (chunk, row) in &mut rows {
            row.unacknowledged &= !leaving.get(chunk).copied().unwrap_or(0);
        }
        for (chunk, mask) in leaving {
            let body = state.chunks.bodies.get(chunk).cloned();
            self.moved.push(Moved { queue: index, chunk, mask, body });
        }
        let live = rows.into_iter().filter(|(chunk, _)| state.chunks.live.contains_key(chunk));
        self.rows.extend(live.map(|(chunk, row)| (chunk, index, row)));
        let progress = queue.progress(state.next_chunk);
        if queue.written != Some(progress) {
            self.progress.push((index, progress));
        }
    }

    /// Packs what was admitted. Bodies of moved messages must be there by now.
    pub(crate) fn pack(mut self, shared: &Shared, messages: Vec<Waiting>, round: Pledge, stamp: Stamp) -> Group {
        let expected = messages.iter().map(|one| StoredMessage::of(&one.message).len()).sum();
        let mut packer = Packer::new(self.next_chunk, stamp.now_ms, expected);
        if !self.moved.is_empty() {
            self.pack_moved(&mut shared.state(), &mut packer);
        }
        for Waiting { message, route } in messages {
            if !route.is_empty() {
                packer.add(StoredMessage::of(&message), route);
            }
        }
        let (chunks, next_chunk) = packer.finish();
        let Self { moved, dead, rows, progress, discards, except, .. } = self;
        let Stamp { sequence, clean, .. } = stamp;
        Group { sequence, clean, chunks, rows, progress, dead, next_chunk, moved, discards, except, round }
    }

    fn pack_moved(&mut self, state: &mut State, packer: &mut Packer) {
        for one in &self.moved {
            let (Some(chunk), Some(body)) = (state.chunks.live.get(&one.chunk), &one.body) else { continue };
            let Some(grave) = state.grave_of(one.queue) else { continue };
            for index in bits(one.mask) {
                let queue = &mut state.queues[grave as usize];
                if !queue.has_room_for(chunk.len(index)) {
                    self.discards.push(grave);
                    continue;
                }
                queue.pending_bytes += chunk.len(index);
                packer.add(StoredMessage::in_body(chunk, body, index), Route::from_slice(&[grave]));
            }
        }
    }

    /// Puts everything back when it never became a group.
    pub(crate) fn abandon(self, state: &mut State) {
        restore(state, self.dead, &self.rows, self.moved);
    }
}

/// What a group is marked with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) sequence: u64,
    pub(crate) now_ms: u64,
    pub(crate) clean: bool,
}

// === impl Group ===

impl Group {
    /// Messages that it stores.
    pub(crate) fn messages(&self) -> usize {
        self.chunks.iter().map(|new| new.chunk.entries.len()).sum()
    }

    /// It is on disk: queues take what is theirs. Returns the consumers that have something now.
    pub(crate) fn land(&mut self, state: &mut State) -> Vec<Waker> {
        for (index, progress) in &self.progress {
            state.queues[*index as usize].written = Some(*progress);
        }
        for new in std::mem::take(&mut self.chunks) {
            place(state, new);
        }
        state.next_chunk = self.next_chunk;
        for one in std::mem::take(&mut self.moved) {
            if let Some(part) = state.queues[one.queue as usize].part(one.chunk) {
                part.leaving &= !one.mask;
                state.settle(one.queue, one.chunk, one.mask);
            }
        }
        for index in &self.discards {
            state.queues[*index as usize].discarded += 1;
        }
        let mut wakers = Vec::new();
        for queue in &mut state.queues {
            queue.pending_bytes = 0;
            queue.show();
            let deliverable = queue.window() > 0 && queue.first_open().is_some();
            wakers.extend(if deliverable { queue.take_waker() } else { None });
        }
        wakers
    }

    /// It is not on disk and never will be: memory is as before, and the next group has it all again.
    pub(crate) fn undo(self, state: &mut State) {
        restore(state, self.dead, &self.rows, self.moved);
    }

    /// The answers that are due once the group has landed.
    pub(crate) fn into_answer(self) -> Answer {
        Answer { round: self.round, outcome: Outcome { all: Ok(()), except: self.except } }
    }

    /// Tells every publisher that the disk refused.
    pub(crate) fn refuse(&self, reason: &str) {
        self.round.refuse(reason);
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn send(self) {
        self.round.0.finish(self.outcome);
    }

    /// Tells nobody what became of it.
    pub(crate) fn lose(self) {
        self.round.refuse("the acknowledgement was lost, the message may be stored");
    }
}

// === impl Pledge ===

impl Pledge {
    pub(crate) fn refuse(&self, reason: &str) {
        self.0.finish(Outcome::all(Err(PublishError::Storage(reason.to_owned()))));
    }
}

impl Drop for Pledge {
    fn drop(&mut self) {
        // Does nothing when the round has its answer.
        self.0.finish(Outcome::all(Err(PublishError::Closed)));
    }
}

fn place(state: &mut State, new: NewChunk) {
    let NewChunk { id, chunk, body } = new;
    let mut takers: Route = chunk.routes.iter().flatten().copied().collect();
    takers.sort_unstable();
    takers.dedup();
    for index in takers {
        let mask = chunk.routed(index);
        state.queues[index as usize].push(id, mask, chunk.len_of(mask));
    }
    state.chunks.insert(id, chunk);
    state.chunks.bodies.insert(id, body);
}

fn restore(state: &mut State, mut dead: Vec<u64>, rows: &[(u64, u16, Row)], moved: Vec<Moved>) {
    state.chunks.dead.append(&mut dead);
    for (chunk, index, _) in rows {
        state.queues[*index as usize].touch(*chunk);
    }
    for one in moved {
        *state.queues[one.queue as usize].leaving.entry(one.chunk).or_default() |= one.mask;
    }
    for queue in &mut state.queues {
        queue.pending_bytes = 0;
    }
}

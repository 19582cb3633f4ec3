//! Builds the memory of a broker from the rows on disk and the specs of today.
//! Does not write; the caller stores the definitions that come out.

use std::collections::{BTreeMap, HashMap};

use crate::chunks::position;
use crate::errors::OpenError;
use crate::queue::Queue;
use crate::record::{Progress, Row};
use crate::settings::QueueSpec;
use crate::state::State;
use crate::store::Loaded;
use crate::topic::Subscriptions;

/// A broker's memory, ready to run.
pub(crate) struct Recovered {
    pub(crate) state: State,
    pub(crate) subscriptions: Subscriptions,
    /// By id; to be stored.
    pub(crate) definitions: Vec<(u16, QueueSpec)>,
}

/// Reconciles what is stored with the specs: a spec wins over the stored settings, a new queue begins empty, and a
/// stored queue without a spec keeps its messages and takes no more.
pub(crate) fn recover(loaded: Loaded, specs: Vec<QueueSpec>, cache_bytes: usize) -> Result<Recovered, OpenError> {
    let (queues, names) = reconcile(&loaded, specs)?;
    let mut state = State { queues, names, ..State::default() };
    state.chunks.bodies.limit = cache_bytes;
    restore_messages(&mut state, loaded);
    let mut subscriptions = Subscriptions::default();
    for (index, queue) in (0..).zip(&state.queues).filter(|(_, queue)| !queue.retired) {
        subscriptions.name(&queue.spec.name, index);
        for subscription in &queue.spec.subscriptions {
            subscriptions.add(subscription, index).map_err(|reason| invalid(&queue.spec, &reason))?;
        }
    }
    let definitions = (0..).zip(state.queues.iter().map(|queue| queue.spec.clone())).collect();
    Ok(Recovered { state, subscriptions, definitions })
}

fn reconcile(loaded: &Loaded, specs: Vec<QueueSpec>) -> Result<(Vec<Queue>, HashMap<String, u16>), OpenError> {
    let mut wanted = BTreeMap::new();
    let mut order = Vec::new();
    for spec in with_graves(specs) {
        order.push(spec.name.clone());
        if let Some(twice) = wanted.insert(spec.name.clone(), spec) {
            return Err(invalid(&twice, "two specs have this name"));
        }
    }
    let mut queues = Vec::new();
    let mut names = HashMap::new();
    let stored = loaded.queues.iter().map(|(_, stored)| stored.name.clone());
    for name in stored.chain(order) {
        if names.contains_key(&name) {
            continue;
        }
        let index = u16::try_from(queues.len()).ok().filter(|index| *index < u16::MAX);
        let known = loaded.queues.iter().find(|(_, stored)| stored.name == name).map(|(_, stored)| stored.clone());
        let queue = match (wanted.remove(&name), known) {
            (Some(spec), _) => Queue::new(spec, false),
            (None, Some(stored)) => Queue::new(stored, true),
            (None, None) => continue,
        };
        names.insert(name, index.ok_or_else(|| invalid(&queue.spec, "there are too many queues"))?);
        queues.push(queue);
    }
    Ok((queues, names))
}

/// Adds the dead-message queues that are named and not described.
fn with_graves(mut specs: Vec<QueueSpec>) -> Vec<QueueSpec> {
    for index in 0..specs.len() {
        let Some(grave) = specs[index].dead_message_queue.clone() else { continue };
        if specs.iter().all(|spec| spec.name != grave) {
            specs.push(QueueSpec::dead_messages(&grave, specs[index].quota_bytes));
        }
    }
    specs
}

fn restore_messages(state: &mut State, loaded: Loaded) {
    let Loaded { chunks, rows, progress, clean, .. } = loaded;
    let rows: HashMap<(u64, u16), Row> = rows.into_iter().map(|(chunk, queue, row)| ((chunk, queue), row)).collect();
    let progress: HashMap<u16, Progress> = progress.into_iter().collect();
    let after_chunks = chunks.last().map_or(0, |(id, _)| id + 1);
    state.next_chunk = progress.values().map(|one| one.front).max().unwrap_or(0).max(after_chunks);
    for (index, queue) in (0..).zip(&mut state.queues) {
        let Some(known) = progress.get(&index) else { continue };
        queue.cursor = known.cursor;
        queue.discarded = known.discarded;
        queue.written = Some(*known);
        // After a crash nobody knows what was delivered since the last commit, so everything may have been.
        queue.flagged_below = if clean { known.cursor } else { position(state.next_chunk, 0) };
    }
    let mut attempted = Vec::new();
    for (id, mut chunk) in chunks {
        for (index, queue) in (0..).zip(&mut state.queues) {
            // A queue without a position is new: what is stored came before it.
            if progress.get(&index).is_none_or(|known| id < known.front) {
                continue;
            }
            let row = rows.get(&(id, index));
            let open = row.map_or_else(|| chunk.routed(index), |row| row.unacknowledged);
            if open == 0 {
                continue;
            }
            chunk.owed += open.count_ones();
            queue.push(id, open, chunk.len_of(open));
            if let Some((attempts, part)) = row.and_then(|row| row.attempts.clone()).zip(queue.part(id)) {
                part.attempts = Some(attempts);
                attempted.push((index, id));
            }
        }
        match chunk.owed {
            0 => state.chunks.dead.push(id),
            _ => state.chunks.insert(id, chunk),
        }
    }
    // One part after the other: a queue forgets parts in which nothing is left whenever a message leaves it, and must not
    // take one for such whose exhausted messages are still to leave.
    for (index, id) in attempted {
        let gone = take_exhausted(&mut state.queues[usize::from(index)], id);
        if gone != 0 {
            state.banish(index, id, gone);
        }
    }
    state.queues.iter().for_each(Queue::show);
}

/// What came back too often while the process before died over it, or because today's limit is lower.
fn take_exhausted(queue: &mut Queue, chunk: u64) -> u64 {
    let limit = queue.spec.max_redelivery;
    let Some(part) = queue.part(chunk) else { return 0 };
    let exhausted = part.exhausted(part.open, limit);
    part.open &= !exhausted;
    if exhausted != 0 {
        queue.touch(chunk);
    }
    exhausted
}

fn invalid(spec: &QueueSpec, reason: &str) -> OpenError {
    OpenError::InvalidQueue { queue: spec.name.clone(), reason: reason.to_owned() }
}

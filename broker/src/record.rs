//! Rows of the database as bytes, little-endian and fixed by hand so that an old file stays readable.
//! Does not know tables or transactions.

use std::fmt;

use crate::chunks::{CHUNK_MESSAGES, Chunk, Entry};
use crate::queue::Attempts;
use crate::topic::Route;

/// Set in an entry's route when the message has properties. There are at most as many routes as messages in a chunk, so
/// the bit is free, and a version that does not know it refuses the file instead of taking properties for payload.
const HAS_PROPERTIES: u8 = 0x80;

/// A row that this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("a stored {what} is damaged or from a newer version")]
pub(crate) struct Damaged {
    pub(crate) what: Kind,
}

/// What a row describes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Chunk,
    Row,
    Progress,
    Queue,
}

/// What a queue still owes of one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) unacknowledged: u64,
    pub(crate) attempts: Option<Attempts>,
}

/// How far a queue has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Every chunk before this one is done.
    pub(crate) front: u64,
    pub(crate) cursor: u64,
    pub(crate) discarded: u64,
}

// === impl Chunk ===

/// A chunk without its body: `at_ms`, routes, entries.
pub(crate) fn encode_chunk(chunk: &Chunk) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + chunk.routes.len() * 8 + chunk.entries.len() * 6);
    out.extend_from_slice(&chunk.at_ms.to_le_bytes());
    out.push(chunk.routes.len() as u8);
    for route in &chunk.routes {
        out.extend_from_slice(&(route.len() as u16).to_le_bytes());
        route.iter().for_each(|queue| out.extend_from_slice(&queue.to_le_bytes()));
    }
    out.push(chunk.entries.len() as u8);
    for entry in &chunk.entries {
        out.extend_from_slice(&entry.end.to_le_bytes());
        let flag = if entry.has_properties { HAS_PROPERTIES } else { 0 };
        out.extend_from_slice(&[entry.topic_len, entry.route | flag]);
    }
    out
}

/// The inverse of `encode_chunk`; nothing is owed yet.
pub(crate) fn decode_chunk(bytes: &[u8]) -> Result<Chunk, Damaged> {
    let mut reader = Reader { rest: bytes, what: Kind::Chunk };
    let at_ms = reader.u64()?;
    let mut routes = Vec::new();
    for _ in 0..reader.u8()? {
        let queues = reader.u16()?;
        routes.push((0..queues).map(|_| reader.u16()).collect::<Result<Route, _>>()?);
    }
    let mut entries = Vec::new();
    for _ in 0..reader.u8()? {
        let (end, topic_len, flagged) = (reader.u32()?, reader.u8()?, reader.u8()?);
        let (route, has_properties) = (flagged & !HAS_PROPERTIES, flagged & HAS_PROPERTIES != 0);
        entries.push(Entry { end, topic_len, has_properties, route });
    }
    let sound = entries.len() <= CHUNK_MESSAGES && entries.iter().all(|entry| (entry.route as usize) < routes.len());
    if !sound || !entries.is_sorted_by_key(|entry| entry.end) {
        return Err(Damaged { what: Kind::Chunk });
    }
    Ok(Chunk { at_ms, entries: entries.into(), routes: routes.into(), owed: 0 })
}

// === impl Row ===

impl Row {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = self.unacknowledged.to_le_bytes().to_vec();
        let Some(attempts) = &self.attempts else { return out };
        let used = CHUNK_MESSAGES - self.unacknowledged.leading_zeros() as usize;
        attempts[..used].iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader { rest: bytes, what: Kind::Row };
        let unacknowledged = reader.u64()?;
        if reader.rest.is_empty() {
            return Ok(Self { unacknowledged, attempts: None });
        }
        let mut attempts = Box::new([0; CHUNK_MESSAGES]);
        for count in attempts.iter_mut().take(reader.rest.len() / 2) {
            *count = reader.u16()?;
        }
        Ok(Self { unacknowledged, attempts: Some(attempts) })
    }
}

// === impl Progress ===

impl Progress {
    pub(crate) fn encode(&self) -> [u8; 24] {
        let mut out = [0; 24];
        out[..8].copy_from_slice(&self.front.to_le_bytes());
        out[8..16].copy_from_slice(&self.cursor.to_le_bytes());
        out[16..].copy_from_slice(&self.discarded.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader { rest: bytes, what: Kind::Progress };
        Ok(Self { front: reader.u64()?, cursor: reader.u64()?, discarded: reader.u64()? })
    }
}

// === impl Kind ===

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chunk => "chunk",
            Self::Row => "acknowledgement",
            Self::Progress => "queue position",
            Self::Queue => "queue definition",
        })
    }
}

/// Reads numbers from the front of a row.
struct Reader<'a> {
    rest: &'a [u8],
    what: Kind,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Damaged { what: self.what })?;
        self.rest = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Damaged> {
        self.take().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, Damaged> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Damaged> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Damaged> {
        self.take().map(u64::from_le_bytes)
    }
}

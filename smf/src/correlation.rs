//! The three bytes by which a client finds the request that an answer belongs to.
//! Does not say which requests have one: whatever came with a tag is answered with it.

/// Chosen by the client, given back unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CorrelationTag(pub [u8; 3]);

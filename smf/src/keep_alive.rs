//! The frame that says only that somebody is there.
//! Does not know when it is due.

use bytes::BytesMut;

use crate::correlation::CorrelationTag;
use crate::frame::protocol;
use crate::header;
use crate::put::{self, REPORT, Written};

/// A sign of life, answered by the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// Of old clients.
    V1,
    /// Of today's.
    V2,
}

// === impl KeepAlive ===

impl KeepAlive {
    /// What clients write as time to live.
    pub(crate) const CLIENT_HOPS: u8 = 1;
    /// What brokers write as time to live.
    pub(crate) const BROKER_HOPS: u8 = 2;

    pub(crate) fn put(self, out: &mut BytesMut, correlation: Option<CorrelationTag>, hops: u8) -> Written {
        let protocol = match self {
            Self::V1 => protocol::KEEP_ALIVE_V1,
            Self::V2 => protocol::KEEP_ALIVE_V2,
        };
        let params = |out: &mut BytesMut| {
            header::put_correlation(out, correlation);
            Ok(())
        };
        put::frame(out, [3, REPORT | protocol, 0, hops], params, |_| Ok(()))
    }
}

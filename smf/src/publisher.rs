//! A publisher's flow: opening it, acknowledging or rejecting its messages, closing it.
//! Does not remember any of it.

use bytes::BytesMut;

use crate::ad_ctrl::{self, AdCtrl, AdCtrlVersion, Fields, kind, put_flow_id, put_window};
use crate::fault::Malformed;
use crate::put::{REPORT, Written, short, short_text, some};

/// A client wants to publish with guarantee, or to go on after a reconnect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPubFlow {
    /// The form it was asked in; answers are always in the newer one.
    pub version: AdCtrlVersion,
    /// The last id that the client knows to be acknowledged.
    pub last_acked: u64,
    /// The last id that it has sent.
    pub last_sent: u64,
    /// How many messages it wants to have under way; a grant above this fails its connect.
    pub window: Option<u32>,
    /// Empty for a new flow, else the name from an earlier [`PubFlow`].
    pub flow_name: String,
}

/// What a client that may publish is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PubFlow {
    /// Names the flow on this connection.
    pub flow_id: u32,
    /// The client goes on with the id behind this one.
    pub last_acked: u64,
    /// At most what was asked for.
    pub window: Option<u32>,
    /// By which the client resumes after a reconnect.
    pub flow_name: Option<String>,
    /// Copied by the client into its messages.
    pub publisher_id: Option<u32>,
}

/// Everything up to an id is on disk; with a refusing response: but for that one, which is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishAck {
    /// The publisher's flow.
    pub flow_id: u32,
    /// The last id that this is about.
    pub last_acked: u64,
    /// Clients ignore it.
    pub window: Option<u32>,
}

// === impl OpenPubFlow ===

impl OpenPubFlow {
    pub(crate) fn of(ad: &AdCtrl<'_>, fields: &Fields<'_>) -> Self {
        Self {
            version: ad.version,
            last_acked: fields.last_acked.unwrap_or(0),
            last_sent: fields.last_sent.unwrap_or(0),
            window: fields.window(),
            flow_name: fields.flow_name.unwrap_or_default().to_owned(),
        }
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        ad_ctrl::put(out, self.version, ad_ctrl::message::OPEN_PUB_FLOW, |out| {
            short(out, REPORT | kind::LAST_ACKED, &self.last_acked.to_be_bytes())?;
            short(out, REPORT | kind::LAST_SENT, &self.last_sent.to_be_bytes())?;
            some(self.window, |window| put_window(out, window))?;
            short_text(out, kind::FLOW_NAME, &self.flow_name)
        })
    }
}

// === impl PubFlow ===

impl PubFlow {
    /// Nothing where the answer names no flow: a refusal.
    pub(crate) fn of(fields: &Fields<'_>) -> Option<Self> {
        Some(Self {
            flow_id: fields.flow_id?,
            last_acked: fields.last_acked.unwrap_or(0),
            window: fields.window(),
            flow_name: fields.flow_name.map(str::to_owned),
            publisher_id: fields.publisher_id,
        })
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        short(out, REPORT | kind::LAST_ACKED, &self.last_acked.to_be_bytes())?;
        some(self.window, |window| put_window(out, window))?;
        put_flow_id(out, self.flow_id)?;
        some(self.flow_name.as_deref(), |name| short_text(out, kind::FLOW_NAME, name))?;
        some(self.publisher_id, |id| short(out, kind::PUBLISHER_ID, &id.to_be_bytes()))
    }
}

// === impl PublishAck ===

impl PublishAck {
    pub(crate) fn of(fields: &Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            flow_id: fields.flow_id()?,
            last_acked: fields.last_acked.ok_or(Malformed::Missing("last acknowledged id"))?,
            window: fields.window(),
        })
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        put_flow_id(out, self.flow_id)?;
        short(out, REPORT | kind::LAST_ACKED, &self.last_acked.to_be_bytes())?;
        some(self.window, |window| put_window(out, window))
    }
}

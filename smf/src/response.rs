//! Code and text of an answer. The client library derives its own error from the pair, so texts are literal.
//! Does not hold texts that no client was seen to understand.

use std::borrow::Cow;

/// What the broker makes of a request or of a published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, or 300 and more for a refusal.
    pub code: u32,
    /// For people, and for the client library to choose an error by.
    pub text: Cow<'static, str>,
}

// === impl Response ===

/// Everywhere.
impl Response {
    /// Done.
    pub const OK: Self = Self::fixed(200, "OK");
    /// Not now; understood as an answer to every request.
    pub const SERVICE_UNAVAILABLE: Self = Self::fixed(503, "Service Unavailable");
    /// No permission at all.
    pub const FORBIDDEN: Self = Self::fixed(403, "Forbidden");

    /// A response with a text of one's own.
    pub fn new(code: u32, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// Whether a client takes it as a refusal.
    pub fn refuses(&self) -> bool {
        self.code >= 300
    }

    const fn fixed(code: u32, text: &'static str) -> Self {
        Self { code, text: Cow::Borrowed(text) }
    }
}

/// Answers to a login.
impl Response {
    /// Wrong user or password.
    pub const UNAUTHORIZED: Self = Self::fixed(401, "Unauthorized");
    /// There is no such message VPN for this user.
    pub const MESSAGE_VPN_NOT_ALLOWED: Self = Self::fixed(403, "Message VPN Not Allowed");
    /// The message VPN is down.
    pub const MESSAGE_VPN_UNAVAILABLE: Self = Self::fixed(503, "Message VPN Unavailable");
    /// The user is switched off.
    pub const CLIENT_USERNAME_SHUTDOWN: Self = Self::fixed(403, "Client Username Is Shutdown");
    /// Another connection has this client name; for a login and for a rename.
    pub const CLIENT_NAME_IN_USE: Self = Self::fixed(403, "Client Name Already In Use");
    /// No more connections.
    pub const TOO_MANY_CLIENTS: Self = Self::fixed(503, "Too Many Clients");
}

/// Answers to a subscription.
impl Response {
    /// Clients count this as success when they add.
    pub const SUBSCRIPTION_ALREADY_EXISTS: Self = Self::fixed(400, "Subscription Already Exists");
    /// The user may not read this topic.
    pub const SUBSCRIPTION_ACL_DENIED: Self = Self::fixed(403, "Subscription ACL Denied");
    /// No more subscriptions.
    pub const TOO_MANY_SUBSCRIPTIONS: Self = Self::fixed(400, "Max Num Subscriptions Exceeded");
    /// Not a topic, or not a kind of subscription that is known.
    pub const SUBSCRIPTION_PARSE_ERROR: Self = Self::fixed(400, "Subscription Parse Error");
}

/// Answers to the opening of a publisher's flow.
impl Response {
    /// The flow of that name is forgotten: the client numbers anew and publishes again what was not acknowledged.
    pub const UNKNOWN_FLOW_NAME: Self = Self::fixed(400, "Unknown Flow Name");
    /// The client retries a bind and fails a connect.
    pub const NOT_READY: Self = Self::fixed(507, "Assured Delivery Not Ready");
}

/// Rejections of a message.
impl Response {
    /// A queue is full.
    pub const SPOOL_OVER_QUOTA: Self = Self::fixed(503, "Spool Over Quota");
    /// The payload is over the limit.
    pub const DOCUMENT_TOO_LARGE: Self = Self::fixed(400, "Document Is Too Large");
    /// The user may not publish to this topic.
    pub const PUBLISH_ACL_DENIED: Self = Self::fixed(403, "Publish ACL Denied");
    /// No queue wants it.
    pub const NO_SUBSCRIPTION_MATCH: Self = Self::fixed(503, "No Subscription Match");
    /// The queue that it names is not there; for a bind too.
    pub const QUEUE_NOT_FOUND: Self = Self::fixed(400, "Queue Not Found");
}

/// Answers to a bind.
impl Response {
    /// There is no such queue.
    pub const UNKNOWN_QUEUE: Self = Self::fixed(503, "Unknown Queue");
    /// The user may not consume from it.
    pub const PERMISSION_NOT_ALLOWED: Self = Self::fixed(403, "Permission Not Allowed");
    /// No more flows on this queue.
    pub const TOO_MANY_CLIENTS_ON_QUEUE: Self = Self::fixed(503, "Max clients exceeded for queue");
    /// The queue is switched off; for a message that it does not take, too.
    pub const QUEUE_SHUTDOWN: Self = Self::fixed(503, "Queue Shutdown");
}

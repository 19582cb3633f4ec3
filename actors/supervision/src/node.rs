//! What the tree says of itself: nodes for `/actors`, and the report of a shutdown.
//! Plain values; taking them stops nobody.

/// One actor or supervisor (CONTRACT 3, `/actors`).
#[derive(Debug, Clone, serde::Serialize)]
pub struct Node {
    /// Dotted and unique.
    pub path: String,
    /// The actor's kind, or `supervisor`.
    pub kind: String,
    /// `starting`, `running`, `restarting`, `degraded` (over its restart budget), `stopping`, `stopped`.
    pub state: String,
    /// 1 for the first incarnation.
    pub generation: u64,
    /// How often it came back, or had to.
    pub restarts: u64,
    /// What ended the last incarnation that failed.
    pub last_failure: Option<String>,
    /// Messages that wait; 0 for a supervisor.
    pub mailbox: usize,
    /// Of this incarnation; 0 while it is down.
    pub uptime_seconds: u64,
    /// In order of start.
    pub children: Vec<Node>,
}

/// What a shutdown did, in order.
#[derive(Debug, Clone, Default)]
pub struct ShutdownReport {
    /// Paths of those that stopped politely, or were down already.
    pub stopped: Vec<String>,
    /// Paths of those that did not stop in time and were terminated.
    pub terminated: Vec<String>,
}

impl ShutdownReport {
    pub(crate) fn append(&mut self, other: ShutdownReport) {
        self.stopped.extend(other.stopped);
        self.terminated.extend(other.terminated);
    }
}

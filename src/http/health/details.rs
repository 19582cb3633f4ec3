//! How each thing is on which the process stands: `details` of the health document, one list per component and measurement.
//! Decides nothing: whether the process is ready is decided by legs and supervision alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::{Value, json};
use tillstream_messages::WallClock;
use tillstream_supervision::Node;

use crate::disk::DataDisk;

/// How one thing is, in the words of `application/health+json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing is wrong.
    Pass,
    /// It does its work, and something about it wants a look.
    Warn,
    /// It does not do its work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    /// Which of several; the path of an actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    component_id: Option<String>,
    /// `component`: in this process; `system`: outside of it.
    component_type: &'static str,
    /// How it is.
    status: Status,
    /// What was found.
    observed_value: Value,
    /// Of what was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_unit: Option<&'static str>,
    /// What is wrong, if something is. Never what an actor said when it failed: that is for the administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    /// Of an actor: 1 for the first incarnation.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// Of an actor: how often it came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts: Option<u64>,
    /// Of an actor: messages that wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox: Option<usize>,
}

/// Things by `component:measurement`.
pub(super) type Details = BTreeMap<String, Vec<Detail>>;

/// Where figures come from that are not on the board; a process that waits for its secrets has none of them.
#[derive(Clone)]
pub struct Figures {
    /// The supervision tree.
    pub tree: Arc<dyn Fn() -> Node + Send + Sync>,
    /// How long ago the secrets were confirmed.
    pub secrets_age: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Under the data directory.
    pub disk: DataDisk,
    /// Below this the disk wants a look.
    pub scarce_bytes: u64,
    /// The wall clock of all rooms.
    pub clock: WallClock,
    /// When the process began.
    pub began: Instant,
}

// === impl Detail ===

impl Detail {
    /// Something inside this process.
    pub(super) fn new(status: Status, observed_value: impl Into<Value>) -> Self {
        Self {
            component_id: None,
            component_type: "component",
            status,
            observed_value: observed_value.into(),
            observed_unit: None,
            output: None,
            generation: None,
            restarts: None,
            mailbox: None,
        }
    }

    /// Something that another system does for us.
    pub(super) fn of_a_system(self) -> Self {
        Self { component_type: "system", ..self }
    }

    /// With what is wrong.
    pub(super) fn saying(self, output: Option<String>) -> Self {
        Self { output, ..self }
    }

    fn in_unit(self, unit: &'static str) -> Self {
        Self { observed_unit: Some(unit), ..self }
    }

    /// How it is.
    pub(super) const fn status(&self) -> Status {
        self.status
    }
}

// === impl Figures ===

impl Figures {
    /// Everything that is not on the board; `secrets` and `clock` are as well as their legs.
    pub(super) fn details(&self, secrets: Status, clock: Status) -> Details {
        let age = Detail::new(secrets, (self.secrets_age)().as_secs()).in_unit("s").of_a_system();
        let now = self.clock.now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let uptime = Detail::new(Status::Pass, self.began.elapsed().as_secs()).in_unit("s");
        let one = |name: &str, detail| (name.to_owned(), vec![detail]);
        Details::from([
            ("actors:state".to_owned(), actors(&(self.tree)())),
            one("secrets:age", age),
            one("disk:free", self.free()),
            one("clock:time", Detail::new(clock, now).of_a_system()),
            one("process:uptime", uptime),
        ])
    }

    fn free(&self) -> Detail {
        let detail = match self.disk.free_bytes() {
            Ok(free) if free < self.scarce_bytes => {
                let output = format!("less than {} bytes are free under the data directory", self.scarce_bytes);
                Detail::new(Status::Warn, free).saying(Some(output))
            }
            Ok(free) => Detail::new(Status::Pass, free),
            Err(error) => Detail::new(Status::Warn, Value::Null).saying(Some(error.kind().to_string())),
        };
        detail.in_unit("By").of_a_system()
    }
}

/// Everybody in the tree, supervisors included, in the order of the tree.
fn actors(node: &Node) -> Vec<Detail> {
    let mut all = vec![actor(node)];
    all.extend(node.children.iter().flat_map(actors));
    all
}

fn actor(node: &Node) -> Detail {
    Detail {
        component_id: Some(node.path.clone()),
        generation: Some(node.generation),
        restarts: Some(node.restarts),
        mailbox: Some(node.mailbox),
        ..Detail::new(well_being(node), json!(node.state))
    }
}

/// A first start and an end that was asked for are nothing to look at.
fn well_being(node: &Node) -> Status {
    match node.state.as_str() {
        "degraded" => Status::Fail,
        "restarting" => Status::Warn,
        "starting" if node.generation > 1 => Status::Warn,
        _ => Status::Pass,
    }
}

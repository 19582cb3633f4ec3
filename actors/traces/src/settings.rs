//! What can be set about traces.
//! Holds no credentials: collectors are reached on a network of their own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Section `[traces]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracesSettings {
    /// The collector, as in `http://otel-collector:4317`; traces are off where there is none.
    pub endpoint: Option<String>,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Which share of the traces that begin here is kept, from 0 to 1; a trace that comes in has its own say.
    pub ratio: f64,
    /// The `service.name` of every span.
    pub service_name: String,
    /// How many ended spans may wait for the collector; more are dropped and counted.
    pub queue: usize,
    /// How long an ended span waits for others to travel with.
    #[serde(with = "humantime_serde")]
    pub batch_delay: Duration,
    /// How long the collector may take to answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// OTLP over gRPC, usually on port 4317.
    #[default]
    Grpc,
    /// OTLP as protobuf over HTTP, usually on port 4318; `/v1/traces` is added to the endpoint.
    Http,
}

impl Default for TracesSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            protocol: Protocol::Grpc,
            ratio: 0.01,
            service_name: "tillstream".to_owned(),
            queue: 8192,
            batch_delay: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
        }
    }
}

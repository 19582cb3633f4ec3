//! What can be set about the HTTP server.
//! Does not hold users: those are secrets.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tillstream_logins::LoginLimits;

/// Section `[http]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads that serve requests.
    pub workers: usize,
    /// Largest body in bytes; a larger one is a 413.
    pub max_body: usize,
    /// Requests that may wait for an actor at once; one more is a 503.
    pub max_in_flight: usize,
    /// How long an idle connection stays open.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// A client must send a request's head within this time.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// A client must send a request's body within this time.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// A request whose actor has not answered within this time is a 503.
    #[serde(with = "humantime_serde")]
    pub answer_within: Duration,
    /// Networks of proxies that are believed when they say in `X-Forwarded-For` who asks. Behind a proxy that is not named here
    /// everybody has one address, and one who guesses gets the others refused.
    pub trusted_proxies: Vec<IpNet>,
    /// How many failed logins are too many.
    pub logins: LoginLimits,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            workers: 2,
            max_body: 1024 * 1024,
            max_in_flight: 4096,
            keep_alive: Duration::from_secs(75),
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(10),
            answer_within: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
            logins: LoginLimits::default(),
        }
    }
}

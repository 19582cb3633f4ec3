//! The section `[pos]`: how many tills ring up what, and where they post it.
//! Does not hold credentials; those come from the secret tree.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pace::Profile;

/// The section `[pos]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PosSettings {
    /// Whether the generator runs where the role `pos` does.
    pub enabled: bool,
    /// Base of the service, such as `http://127.0.0.1:8000` or `http://traefik/validation-service`; unset: this process.
    pub url: Option<String>,
    /// Authorities in PEM that an https service is believed by; unset: the system's, or this process's own certificate.
    pub ca_cert: Option<PathBuf>,
    /// A certificate with its private key in PEM, for a service that lets in only whom it knows.
    pub client_cert: Option<PathBuf>,
    /// Sales per second, on average.
    pub rate: u32,
    /// How the rate changes with time.
    pub profile: Profile,
    /// Sales come from `STORE_1` to this one.
    pub stores: u32,
    /// And from `CASHIER_1` to this one.
    pub cashiers: u32,
    /// The same seed, the same sales. Unset: another one with every start, so that ids are never used twice.
    pub seed: Option<u64>,
    /// What is out of the ordinary.
    pub shares: Shares,
    /// Late sales are shifted back by up to this much.
    #[serde(with = "humantime_serde")]
    pub late_by: Duration,
    /// Every sale's time is shifted back by up to this much, so that sales overtake each other.
    #[serde(with = "humantime_serde")]
    pub disorder: Duration,
    /// Requests under way at the same time.
    pub concurrency: usize,
    /// A request without an answer after this long is sent again.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
}

/// How many sales out of 1,000 are out of the ordinary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shares {
    /// The till's total is not the sum of its lines.
    pub wrong_total: u32,
    /// The payment failed.
    pub failed_payment: u32,
    /// The till sends the same sale once more.
    pub duplicate: u32,
    /// The sale is told late.
    pub late: u32,
}

impl Default for PosSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            url: None,
            ca_cert: None,
            client_cert: None,
            rate: 50,
            profile: Profile::Constant,
            stores: 10,
            cashiers: 8,
            seed: None,
            shares: Shares::default(),
            late_by: Duration::from_secs(60),
            disorder: Duration::from_millis(500),
            concurrency: 32,
            request_timeout: Duration::from_secs(10),
        }
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self { wrong_total: 5, failed_payment: 1, duplicate: 5, late: 1 }
    }
}

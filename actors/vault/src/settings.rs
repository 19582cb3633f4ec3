//! The `[vault]` section: where Vault is, who logs in there, and how patient this room is with it.
//! Holds no secret; role id and secret id stand in the files that it names. How often is read stands in `[secrets]`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::VaultError;

/// Where Vault is and how to treat it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultSettings {
    /// Scheme, host and port, such as `https://vault.example.com:8200`; no proxy is used.
    pub address: String,
    /// The namespace of Vault Enterprise or OpenBao that everything is in.
    pub namespace: Option<String>,
    /// A file of authorities in PEM; with it only what they sign is believed, without it whatever the system trusts.
    pub ca_cert: Option<PathBuf>,
    /// Where the secret tree is mounted.
    pub mount: String,
    /// 1 or 2, as the mount was made; without it Vault is asked.
    pub kv_version: Option<u8>,
    /// Where the AppRole method is mounted.
    pub approle_mount: String,
    /// The file of the role id; read again at every login.
    pub role_id_file: PathBuf,
    /// The file of the secret id, or of a token that wraps one; read again at every login.
    pub secret_id_file: PathBuf,
    /// Whether that file holds a wrapping token; without it the form says so, because tokens begin with `s.` or `hvs.`.
    pub secret_id_wrapped: Option<bool>,
    /// How long each call may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// After so many percent of its life a token is renewed.
    pub renew_after_percent: u8,
    /// Readings come up to so many percent earlier than `secrets.refresh`, drawn each time, so that many processes spread.
    pub jitter_percent: u8,
    /// The pause after a failed reading; it doubles with every further one.
    #[serde(with = "humantime_serde")]
    pub retry_min: Duration,
    /// The longest pause after failed readings; never more than `secrets.refresh`.
    #[serde(with = "humantime_serde")]
    pub retry_max: Duration,
    /// A login that did not cure a 403 is not tried again before this; it doubles while that goes on.
    #[serde(with = "humantime_serde")]
    pub relogin_min: Duration,
    /// The longest pause between logins that cure nothing.
    #[serde(with = "humantime_serde")]
    pub relogin_max: Duration,
}

impl Default for VaultSettings {
    fn default() -> Self {
        Self {
            address: "https://127.0.0.1:8200".to_owned(),
            namespace: None,
            ca_cert: None,
            mount: "kv".to_owned(),
            kv_version: None,
            approle_mount: "approle".to_owned(),
            role_id_file: "./vault-approles/tillstream/role_id".into(),
            secret_id_file: "./vault-approles/tillstream/secret_id".into(),
            secret_id_wrapped: None,
            timeout: Duration::from_secs(5),
            renew_after_percent: 66,
            jitter_percent: 10,
            retry_min: Duration::from_millis(500),
            retry_max: Duration::from_secs(15),
            relogin_min: Duration::from_secs(1),
            relogin_max: Duration::from_secs(60),
        }
    }
}

impl VaultSettings {
    /// Whether a process can work with these.
    ///
    /// # Errors
    /// Names the key that is wrong and what it must be.
    pub fn check(&self) -> Result<(), VaultError> {
        let refuse = |key, what: &str| Err(VaultError::Setting { key, what: what.to_owned() });
        if let Err(what) = base(&self.address) {
            return refuse("address", &what);
        }
        if !is_path(&self.mount) {
            return refuse("mount", "must be a path such as `kv`");
        }
        if !is_path(&self.approle_mount) {
            return refuse("approle_mount", "must be a path such as `approle`");
        }
        if self.namespace.as_ref().is_some_and(|name| !is_path(name)) {
            return refuse("namespace", "must be a path such as `shops`");
        }
        if self.kv_version.is_some_and(|version| !matches!(version, 1 | 2)) {
            return refuse("kv_version", "must be 1 or 2, or left out");
        }
        if !(1..=95).contains(&self.renew_after_percent) {
            return refuse("renew_after_percent", "must be 1 to 95");
        }
        if self.jitter_percent > 90 {
            return refuse("jitter_percent", "must be at most 90");
        }
        if self.timeout.is_zero() {
            return refuse("timeout", "must be above zero");
        }
        if self.retry_min.is_zero() || self.retry_min > self.retry_max {
            return refuse("retry_min", "must be above zero and not above `vault.retry_max`");
        }
        if self.relogin_min.is_zero() || self.relogin_min > self.relogin_max {
            return refuse("relogin_min", "must be above zero and not above `vault.relogin_max`");
        }
        Ok(())
    }
}

/// The address as a URL without a path: the client puts the version of the API in front of whatever path there is.
fn base(address: &str) -> Result<(), String> {
    let url: reqwest::Url = address.parse().map_err(|error| format!("is no address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must start with https:// (or http:// on this machine)".to_owned());
    }
    if url.path() != "/" || url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("must be scheme, host and port and nothing else".to_owned());
    }
    Ok(())
}

/// Segments of visible characters; also what may stand in a header.
fn is_path(text: &str) -> bool {
    let visible = |segment: &str| !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_graphic());
    text.split('/').all(visible)
}

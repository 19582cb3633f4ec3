//! The `[tokens]` section: whose tokens are believed, where their keys are, and which scope is which role.
//! Holds no secret; keys that verify are public.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillstream_domain::UserRole;

use crate::algorithm::SignatureAlgorithm;
use crate::error::TokenSettingsError;
use crate::origin::Origin;

/// Clocks that are further apart are a mistake to be corrected, not to be tolerated.
const MOST_LEEWAY: Duration = Duration::from_secs(600);
/// A header of HTTP is not longer than this anyway.
const LONGEST_TOKEN: usize = 65_536;

/// Whose tokens are believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSettings {
    /// The issuer, exactly as tokens name it in `iss`; unset: every bearer token is refused.
    pub issuer: Option<String>,
    /// What a token must name in `aud`.
    pub audience: Option<String>,
    /// Where the issuer's keys are; unset: where its `/.well-known/openid-configuration` says.
    pub jwks_url: Option<String>,
    /// A file with the keys, instead of an address.
    pub jwks_file: Option<PathBuf>,
    /// Certificates (PEM) of who signed the issuer's; unset: those that the system trusts.
    pub ca_cert: Option<PathBuf>,
    /// Keys may come over http from another machine.
    pub plain_http: bool,
    /// How tokens may be signed.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// The claims that hold scopes: a text of words, or a list of texts.
    pub scope_claims: Vec<String>,
    /// Which scope is which role; a token without one of these gets 403.
    pub scopes: BTreeMap<String, RoleName>,
    /// How far the issuer's clock may be off.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// Longest token, in bytes.
    pub max_token: usize,
    /// How often the keys are read.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
    /// Shortest time between two readings, whatever is asked for; a token of an unknown key asks for one.
    #[serde(with = "humantime_serde")]
    pub refetch: Duration,
    /// The last good keys are in use for this long while none can be read; then every bearer token gets 503.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
    /// How long the issuer may take to answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Whether this process is not ready without keys.
    pub needed: bool,
}

/// A role by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleName(pub UserRole);

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            jwks_url: None,
            jwks_file: None,
            ca_cert: None,
            plain_http: false,
            algorithms: vec![SignatureAlgorithm::RS256, SignatureAlgorithm::ES256, SignatureAlgorithm::EdDSA],
            scope_claims: vec!["scope".to_owned(), "scp".to_owned()],
            scopes: BTreeMap::new(),
            leeway: Duration::from_secs(60),
            max_token: 8_192,
            refresh: Duration::from_secs(300),
            refetch: Duration::from_secs(10),
            max_age: Duration::from_secs(3_600),
            timeout: Duration::from_secs(5),
            needed: false,
        }
    }
}

impl TokenSettings {
    /// Refuses what cannot be followed, or would let in whom nobody meant.
    ///
    /// # Errors
    /// Says what to set.
    pub fn check(&self) -> Result<(), TokenSettingsError> {
        let refuse = |reason| Err(TokenSettingsError::Inconsistent(reason));
        let Some(issuer) = &self.issuer else {
            let is_meant = self.jwks_url.is_some() || self.jwks_file.is_some() || self.audience.is_some();
            return if is_meant { refuse("`tokens.issuer` must say whose tokens are believed") } else { Ok(()) };
        };
        if issuer.is_empty() || self.audience.as_ref().is_none_or(String::is_empty) {
            return refuse(
                "`tokens.issuer` and `tokens.audience` must both be set: tokens for others must not work here",
            );
        }
        if self.scopes.is_empty() || self.scope_claims.is_empty() {
            return refuse("`tokens.scopes` must give at least one scope a role, and `tokens.scope_claims` a claim");
        }
        if self.algorithms.is_empty() {
            return refuse("`tokens.algorithms` must allow at least one algorithm");
        }
        if self.jwks_url.is_some() && self.jwks_file.is_some() {
            return refuse("`tokens.jwks_url` and `tokens.jwks_file` exclude each other");
        }
        self.check_bounds()?;
        Origin::of(self).map(drop).map_err(TokenSettingsError::from)
    }

    fn check_bounds(&self) -> Result<(), TokenSettingsError> {
        let refuse = |reason| Err(TokenSettingsError::Inconsistent(reason));
        if self.refetch.is_zero() || self.timeout.is_zero() || self.refresh < self.refetch {
            return refuse(
                "`tokens.refetch` and `tokens.timeout` must be above zero, `tokens.refresh` not below `refetch`",
            );
        }
        if self.max_age < self.refresh {
            return refuse(
                "`tokens.max_age` must not be below `tokens.refresh`: keys would be too old between two readings",
            );
        }
        if self.leeway > MOST_LEEWAY {
            return refuse("`tokens.leeway` must not be above 10m: set the clocks instead");
        }
        if self.max_token == 0 || self.max_token > LONGEST_TOKEN {
            return refuse("`tokens.max_token` must be from 1 to 65536");
        }
        Ok(())
    }
}

impl TryFrom<String> for RoleName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let names = UserRole::ALL.map(UserRole::name).join(", ");
        UserRole::parse(&text).map(Self).ok_or_else(|| format!("`{text}` is no role: it is one of {names}"))
    }
}

impl From<RoleName> for String {
    fn from(role: RoleName) -> Self {
        role.0.name().to_owned()
    }
}

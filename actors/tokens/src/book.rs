//! Who a bearer token is: what every worker of HTTP asks.
//! Never waits: where keys are missing it says so, and lets the keeper know.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tillstream_domain::UserRole;
use tillstream_messages::WallClock;
use tillstream_supervision::Port;

use crate::error::{Refusal, TokenError};
use crate::header::{Header, unproven_claims};
use crate::keeper::FetchKeys;
use crate::keys::{Keys, Reading};
use crate::metrics::{self, VERIFICATIONS};
use crate::rules::Rules;
use crate::settings::TokenSettings;
use crate::{provider, signature};

/// Whom a token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUser {
    /// `sub` of the token; no control characters, at most 256 bytes.
    pub subject: String,
    /// What its scopes give.
    pub role: UserRole,
}

/// Judges tokens by the keys that the keeper keeps fresh. Clones share both.
#[derive(Clone, Default)]
pub struct TokenBook(Option<Arc<Pages>>);

struct Pages {
    rules: Rules,
    clock: WallClock,
    keys: Keys,
}

impl TokenBook {
    /// A book that lets nobody in.
    pub fn off() -> Self {
        Self::default()
    }

    /// A book for these settings, which have been checked; off where they name no issuer. `keeper` may be a deferred
    /// port.
    pub fn new(settings: &TokenSettings, clock: WallClock, keeper: Port<FetchKeys>) -> Self {
        provider::install();
        let pages = |rules| {
            metrics::register();
            Arc::new(Pages { rules, clock, keys: Keys::new(keeper) })
        };
        Self(Rules::of(settings).map(pages))
    }

    /// Whether there is an issuer.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whom this token proves: what stands after `Bearer `.
    ///
    /// # Errors
    /// Says what to answer ([`TokenError::answer`]), and why, without a byte of the token.
    pub fn verify(&self, token: &str) -> Result<TokenUser, TokenError> {
        let pages = self.0.as_ref().ok_or(TokenError::Off)?;
        let judged = pages.verify(token);
        VERIFICATIONS.with_label_values(&[outcome(&judged)]).inc();
        judged
    }

    /// For the keeper.
    pub(crate) fn keys(&self) -> Option<&Keys> {
        self.0.as_ref().map(|pages| &pages.keys)
    }
}

impl Pages {
    fn verify(&self, token: &str) -> Result<TokenUser, TokenError> {
        if token.len() > self.rules.max_token {
            return Err(Refusal::TooLong.into());
        }
        let header = Header::of(token)?;
        let algorithm = self.rules.allowed(&header.algorithm)?;
        let reading = self.keys.younger_than(self.rules.max_age).ok_or(TokenError::NoKeys)?;
        let now = self.clock.now();
        let key = match reading.set.choose(header.key_id.as_deref(), algorithm) {
            Err(Refusal::UnknownKey) => return Err(self.unknown(token, &header, &reading, now)),
            chosen => chosen?,
        };
        let claims = signature::proven_claims(token, key, algorithm)?;
        self.rules.judge(&claims, now)?;
        self.rules.user(&claims)
    }

    /// The issuer may have a new key. Nobody knows before its keys have been read again, and until then a till is told to
    /// come again, not to give up. What would be refused anyway asks for nothing.
    fn unknown(&self, token: &str, header: &Header, reading: &Reading, now: DateTime<Utc>) -> TokenError {
        let judged = unproven_claims(token).and_then(|claims| self.rules.judge(&claims, now));
        if let Err(refusal) = judged {
            return refusal.into();
        }
        // A key that is there, for another algorithm, is not on its way.
        let Some(id) = header.key_id.as_ref().filter(|id| !reading.set.has(id)) else {
            return Refusal::UnknownKey.into();
        };
        self.keys.look_for(id);
        if reading.absent.contains(id) { Refusal::UnknownKey.into() } else { TokenError::KeyNotKnownYet }
    }
}

fn outcome(judged: &Result<TokenUser, TokenError>) -> &'static str {
    match judged {
        Ok(_) => "good",
        Err(TokenError::Off) => "off",
        Err(TokenError::Refused(refusal)) => refusal.name(),
        Err(TokenError::NoRole { .. }) => "no_role",
        Err(TokenError::SeveralRoles { .. }) => "several_roles",
        Err(TokenError::NoKeys) => "no_keys",
        Err(TokenError::KeyNotKnownYet) => "key_not_known_yet",
    }
}

impl fmt::Debug for TokenBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBook").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}

//! What a token must say to be good, and which role it then gives.
//! Knows neither keys nor where the time comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tillstream_domain::UserRole;

use crate::algorithm::SignatureAlgorithm;
use crate::book::TokenUser;
use crate::claims;
use crate::error::{Refusal, TokenError};
use crate::object::Object;
use crate::settings::TokenSettings;

/// The settings that judge tokens.
pub struct Rules {
    issuer: String,
    audience: String,
    algorithms: Vec<SignatureAlgorithm>,
    scope_claims: Vec<String>,
    scopes: BTreeMap<String, UserRole>,
    leeway: i64,
    /// Longest token, in bytes.
    pub max_token: usize,
    /// Older keys judge nobody.
    pub max_age: Duration,
}

impl Rules {
    /// The rules, where there is an issuer.
    pub fn of(settings: &TokenSettings) -> Option<Self> {
        let (issuer, audience) = settings.issuer.clone().zip(settings.audience.clone())?;
        Some(Self {
            issuer,
            audience,
            algorithms: settings.algorithms.clone(),
            scope_claims: settings.scope_claims.clone(),
            scopes: settings.scopes.iter().map(|(scope, role)| (scope.clone(), role.0)).collect(),
            leeway: i64::try_from(settings.leeway.as_secs()).unwrap_or(i64::MAX),
            max_token: settings.max_token,
            max_age: settings.max_age,
        })
    }

    /// The algorithm of that name, if it is allowed.
    pub fn allowed(&self, name: &str) -> Result<SignatureAlgorithm, Refusal> {
        let found = self.algorithms.iter().find(|algorithm| algorithm.name() == name);
        found.copied().ok_or(Refusal::Algorithm)
    }

    /// Whether the token is from and for whom it should be, and valid now.
    pub fn judge(&self, claims: &Object, now: DateTime<Utc>) -> Result<(), Refusal> {
        if claims::text(claims, "iss")? != self.issuer {
            return Err(Refusal::Issuer);
        }
        if !claims::texts(claims, "aud")?.contains(&self.audience.as_str()) {
            return Err(Refusal::Audience);
        }
        let now = now.timestamp();
        let (earliest, latest) = (now.saturating_sub(self.leeway), now.saturating_add(self.leeway));
        if claims::time(claims, "exp")?.ok_or(Refusal::MissingClaim("exp"))? <= earliest {
            return Err(Refusal::Expired);
        }
        if claims::time(claims, "nbf")?.is_some_and(|not_before| not_before > latest) {
            return Err(Refusal::NotYetValid);
        }
        if claims::time(claims, "iat")?.is_some_and(|issued| issued > latest) {
            return Err(Refusal::IssuedInFuture);
        }
        Ok(())
    }

    /// The one role that its scopes give: an admin may do everything, so that role covers all others.
    pub fn user(&self, claims: &Object) -> Result<TokenUser, TokenError> {
        let subject = claims::subject(claims)?;
        let scopes = claims::scopes(claims, &self.scope_claims)?;
        let roles: BTreeSet<UserRole> = scopes.iter().filter_map(|scope| self.scopes.get(*scope)).copied().collect();
        let mut others = roles.iter().copied();
        match (others.next(), others.next()) {
            (None, _) => Err(TokenError::NoRole { subject }),
            (Some(role), None) => Ok(TokenUser { subject, role }),
            _ if roles.contains(&UserRole::Admin) => Ok(TokenUser { subject, role: UserRole::Admin }),
            _ => Err(TokenError::SeveralRoles { subject }),
        }
    }
}

//! Who a request is and whether it may: the one way in for every route, by password, bearer token or client certificate.
//! Does not read the body; a request without the right to send one is refused before.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderValue, ORIGIN};
use ipnet::IpNet;
use tillstream_audit::AuditTrail;
use tillstream_domain::{Action, UserRole};
use tillstream_logins::{Attempt, AuditLog, Credentials, FailedLogins, LoginLimits};
use tillstream_messages::WallClock;
use tillstream_tls::PeerCertificate;
use tillstream_tokens::{TokenAnswer, TokenBook, TokenUser};

use super::errors::ApiError;
use super::settings::HttpSettings;
use presented::Presented;
use refused::{Refused, Why};

mod address;
mod presented;
mod refused;
mod users;

pub use users::{UserBook, Users};

/// Whoever sent a request, proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user's name, the token's subject or the certificate's name.
    pub name: Arc<str>,
    /// What it may do.
    pub role: UserRole,
    /// How it was proven.
    pub by: Proof,
}

/// What proves somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A password.
    Basic,
    /// A token of the issuer.
    Bearer,
    /// A client certificate that the handshake has verified.
    Certificate,
}

impl Proof {
    /// In one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::Certificate => "certificate",
        }
    }
}

/// What every request passes; clones share users, failures and the audit log.
#[derive(Clone)]
pub struct Gate {
    users: Users,
    tokens: TokenBook,
    /// Roles by alternative name.
    certificates: Arc<BTreeMap<String, UserRole>>,
    clock: WallClock,
    limits: LoginLimits,
    proxies: Arc<[IpNet]>,
    failed: Arc<FailedLogins>,
    audit: Arc<AuditLog>,
    trail: AuditTrail,
    is_closed: Arc<dyn Fn() -> bool + Send + Sync>,
}

// === impl Gate ===

impl Gate {
    /// A gate that takes passwords.
    pub fn new(settings: &HttpSettings, users: Users) -> Self {
        refused::register_metrics();
        Self {
            users,
            tokens: TokenBook::off(),
            certificates: Arc::default(),
            clock: WallClock::default(),
            limits: settings.logins.clone(),
            proxies: settings.trusted_proxies.as_slice().into(),
            failed: Arc::default(),
            audit: Arc::new(AuditLog::new("http", AuditTrail::default())),
            trail: AuditTrail::default(),
            is_closed: Arc::new(|| false),
        }
    }

    /// Takes bearer tokens as well, where the book has an issuer.
    #[must_use]
    pub fn with_tokens(self, tokens: TokenBook) -> Self {
        Self { tokens, ..self }
    }

    /// Takes client certificates as well: the first of its names that has a role counts.
    #[must_use]
    pub fn with_certificates(self, roles: BTreeMap<String, UserRole>, clock: WallClock) -> Self {
        Self { certificates: Arc::new(roles), clock, ..self }
    }

    /// Records whom it refuses, and has others record what becomes of those who pass.
    #[must_use]
    pub fn recorded_in(self, trail: AuditTrail) -> Self {
        Self { audit: Arc::new(AuditLog::new("http", trail.clone())), trail, ..self }
    }

    /// As every request sees them.
    #[cfg(test)]
    pub const fn users(&self) -> &Users {
        &self.users
    }

    /// Where records go.
    pub const fn trail(&self) -> &AuditTrail {
        &self.trail
    }

    /// Lets nobody in while this is so. Asked by every request, so it must be quick.
    #[must_use]
    pub fn fail_closed_when(self, is_closed: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { is_closed: Arc::new(is_closed), ..self }
    }

    /// Lets the request pass if whoever sent it may do this.
    ///
    /// # Errors
    /// 401 with the same answer for an unknown user and a wrong password, 403 for a user of another role, 429 for who has
    /// failed too often, 503 while nobody can be judged. Each is in the audit log.
    pub fn authorize(&self, request: &HttpRequest, action: Action) -> Result<Principal, ApiError> {
        self.judge(request, action).map_err(|refused| self.refuse(request, &refused))
    }

    /// Whether whoever sent this long request would still be let in. Nothing is counted or recorded: nobody tries anything.
    pub fn still_admits(&self, request: &HttpRequest, action: Action) -> bool {
        let role = match presented::read(request) {
            _ if (self.is_closed)() => None,
            Ok(Presented::Basic(given)) => self.users.book().find(&given, now()).map(|user| user.what),
            Ok(Presented::Bearer(token)) => self.tokens.verify(token).ok().map(|user| user.role),
            Ok(Presented::Nothing) => self.by_certificate(request.conn_data()).ok().map(|user| user.role),
            Ok(Presented::Other) | Err(_) => None,
        };
        role.is_some_and(|role| role.may(action))
    }

    /// What to answer somebody who may break things, in a process that nobody may break; in the audit log as well.
    pub fn refuse_fault(&self, request: &HttpRequest, user: &Principal) -> ApiError {
        self.refuse(request, &Why::FaultsDisabled.of(&user.name))
    }

    fn judge(&self, request: &HttpRequest, action: Action) -> Result<Principal, Refused> {
        if (self.is_closed)() {
            return Err(Why::SecretsTooOld.into());
        }
        if is_from_elsewhere(request) {
            return Err(Why::CrossSite.into());
        }
        let principal = self.identify(request)?;
        if principal.role.may(action) { Ok(principal) } else { Err(Why::Role.of(&principal.name)) }
    }

    /// Whoever sends an `Authorization` wants to be judged by it and not by its certificate.
    fn identify(&self, request: &HttpRequest) -> Result<Principal, Refused> {
        match presented::read(request)? {
            Presented::Basic(given) => self.by_password(request, &given),
            Presented::Bearer(token) if self.tokens.is_on() => self.by_token(request, token),
            Presented::Bearer(_) | Presented::Other => Err(Why::NoCredentials.into()),
            Presented::Nothing => self.by_certificate(request.conn_data::<PeerCertificate>()),
        }
    }

    fn by_password(&self, request: &HttpRequest, given: &Credentials) -> Result<Principal, Refused> {
        let (now, address) = (now(), self.address(request));
        // Right or wrong: somebody who may go on guessing would see which guess is right.
        if let Some(left) = self.failed.pause_of(given.name_bytes(), address, now) {
            return Err(Why::TooManyFailures(left).of(&self.users.book().shown(&given.name())));
        }
        let users = self.users.book();
        if let Some(user) = users.find(given, now) {
            return Ok(Principal { name: Arc::clone(&user.name), role: user.what, by: Proof::Basic });
        }
        let is_known = users.knows(given.name_bytes());
        let attempt = Attempt { user: given.name_bytes(), is_known, address, secret: given.password() };
        let failure = self.failed.failed(&self.limits, &attempt, now);
        let why = match failure.paused {
            Some(left) => Why::TooManyFailures(left),
            None if is_known => Why::WrongPassword,
            None => Why::UnknownUser,
        };
        Err(why.of(&users.shown(&given.name())).having_begun(failure.begun))
    }

    fn by_token(&self, request: &HttpRequest, token: &str) -> Result<Principal, Refused> {
        let error = match self.tokens.verify(token) {
            Ok(TokenUser { subject, role }) => {
                return Ok(Principal { name: subject.into(), role, by: Proof::Bearer });
            }
            Err(error) => error,
        };
        match error.answer() {
            TokenAnswer::Forbidden => Err(Why::TokenWithoutRole.of(error.subject().unwrap_or_default())),
            TokenAnswer::Unavailable => Err(Why::TokenNotJudged(error.to_string()).into()),
            TokenAnswer::Unauthorized => {
                let failure = self.failed.token_failed(&self.limits, self.address(request), token.as_bytes(), now());
                let refused = Refused::from(failure.paused.map_or(Why::Token, Why::TooManyFailures));
                Err(refused.having_begun(failure.begun))
            }
        }
    }

    fn by_certificate(&self, peer: Option<&PeerCertificate>) -> Result<Principal, Refused> {
        let known = peer.filter(|peer| peer.holds_at(self.clock.now()));
        let names = known.map(|peer| peer.names.as_slice()).unwrap_or_default();
        let named = names.iter().find_map(|name| Some((name.as_str(), *self.certificates.get(name)?)));
        let (name, role) = named.ok_or(Why::NoCredentials)?;
        Ok(Principal { name: name.into(), role, by: Proof::Certificate })
    }

    /// Where a request comes from.
    pub fn address(&self, request: &HttpRequest) -> IpAddr {
        address::of(request, &self.proxies)
    }
}

/// Whether a page of somebody else makes a browser change something here: it would send the password along by itself.
fn is_from_elsewhere(request: &HttpRequest) -> bool {
    if request.method().is_safe() {
        return false;
    }
    // Browsers say the first to hosts that they trust, such as those behind TLS, and the second to all.
    match (request.headers().get("sec-fetch-site"), request.headers().get(ORIGIN)) {
        (Some(site), _) => !matches!(site.as_bytes(), b"same-origin" | b"none"),
        (None, Some(origin)) => !is_own_origin(origin, request),
        (None, None) => false,
    }
}

fn is_own_origin(origin: &HeaderValue, request: &HttpRequest) -> bool {
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    host.is_some_and(|host| host.eq_ignore_ascii_case(request.connection_info().host()))
}

/// Unaffected by whoever sets the clock, and by a test that lets time pass.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;

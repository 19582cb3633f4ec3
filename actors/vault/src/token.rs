//! A token and what its life allows: when to renew it, when to log in instead, when it is over.
//! Asks nobody; its times are of the monotonic clock, so that no correction of the wall clock ends or prolongs it.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;

/// What Vault granted at a login or a renewal.
pub struct Grant {
    /// The token.
    pub secret: SecretString,
    /// How long it is good for from now on; zero where it never ends.
    pub ttl: Duration,
    /// Whether it may be renewed.
    pub renewable: bool,
}

/// The token in use.
#[derive(Clone)]
pub struct Token {
    /// What is sent along.
    pub secret: SecretString,
    /// Tells one login from the next.
    pub login: u64,
    /// Taken before the request, because its life began when Vault answered, at the latest.
    from: Instant,
    /// Nothing where it never ends.
    ttl: Option<Duration>,
    /// What the login gave: a renewal that gives less has met the maximum.
    full: Duration,
    renewable: bool,
}

/// What keeps a token's user served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Prolong it.
    Renew,
    /// It cannot be prolonged to its full length any more.
    LogIn,
}

// === impl Token ===

impl Token {
    /// The token of a login that was asked for at `from`.
    pub fn of_login(login: u64, grant: Grant, from: Instant) -> Self {
        let Grant { secret, ttl, renewable } = grant;
        Self { secret, login, from, ttl: (!ttl.is_zero()).then_some(ttl), full: ttl, renewable }
    }

    /// The same token after a renewal that was asked for at `from`.
    pub fn renewed(&self, grant: &Grant, from: Instant) -> Self {
        Self { from, ttl: Some(grant.ttl), renewable: grant.renewable, ..self.clone() }
    }

    /// What every renewal asks for.
    pub fn full(&self) -> Duration {
        self.full
    }

    /// What keeps its user served, and when; nothing for a token that never ends.
    pub fn next(&self, percent: u8) -> Option<(Instant, Step)> {
        let ttl = self.ttl?;
        if self.renewable && ttl < self.full {
            // The maximum is near, and there is nothing to wait for.
            return Some((self.from, Step::LogIn));
        }
        let step = if self.renewable { Step::Renew } else { Step::LogIn };
        Some((self.from + ttl * u32::from(percent) / 100, step))
    }

    /// How long it is good for; nothing where it never ends.
    pub fn left(&self) -> Option<Duration> {
        self.ttl.map(|ttl| (self.from + ttl).saturating_duration_since(Instant::now()))
    }

    /// Whether it is over by our own reckoning.
    pub fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("login", &self.login).field("left", &self.left()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(seconds: u64) -> Grant {
        Grant { secret: "s.canary".into(), ttl: Duration::from_secs(seconds), renewable: true }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_at_two_thirds_of_its_life() {
        let now = Instant::now();
        let token = Token::of_login(1, grant(3_600), now);
        let (when, step) = token.next(66).unwrap();
        assert_eq!((when - now, step), (Duration::from_secs(2_376), Step::Renew));
        assert_eq!(token.left(), Some(Duration::from_secs(3_600)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_gives_less_than_asked_calls_for_a_login_at_once() {
        let token = Token::of_login(1, grant(60), Instant::now());
        tokio::time::advance(Duration::from_secs(40)).await;
        let again = token.renewed(&grant(60), Instant::now());
        assert_eq!(again.next(50).unwrap(), (Instant::now() + Duration::from_secs(30), Step::Renew));
        let last = again.renewed(&grant(12), Instant::now());
        assert_eq!(last.next(50).unwrap(), (Instant::now(), Step::LogIn));
        assert!(!last.is_over(), "it is good until the login is there");
        tokio::time::advance(Duration::from_secs(12)).await;
        assert!(last.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_renewed_is_replaced_in_time() {
        let token = Token::of_login(1, Grant { renewable: false, ..grant(100) }, Instant::now());
        assert_eq!(token.next(66).unwrap(), (Instant::now() + Duration::from_secs(66), Step::LogIn));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_never_ends_needs_nothing() {
        let token = Token::of_login(1, grant(0), Instant::now());
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        assert_eq!((token.next(66), token.left(), token.is_over()), (None, None, false));
    }

    #[test]
    fn nobody_sees_a_token() {
        let token = Token::of_login(1, grant(0), Instant::now());
        assert!(!format!("{token:?} {token:#?}").contains("canary"));
    }
}

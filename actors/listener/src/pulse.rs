//! Deadlines of one connection: the login, signs of life in both directions, a client that does not read.
//! Knows no clock and no socket; it is told what happened when.

use std::time::Duration;

use tokio::time::Instant;

use crate::parting::Parting;

/// Signs of life that may be missing in a row.
const MISSING: u32 = 3;

/// When what happened last.
pub(crate) struct Pulse {
    /// Nobody is logged in yet and must be by then; afterwards nothing.
    login_until: Option<Instant>,
    /// How often either side says something.
    every: Duration,
    /// The client said something.
    heard: Instant,
    /// It was sent something.
    said: Instant,
    /// It has read something, or there was nothing to read.
    moved: Instant,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    SignOfLife,
}

// === impl Pulse ===

impl Pulse {
    pub(crate) fn new(now: Instant, login_within: Duration) -> Self {
        Self { login_until: Some(now + login_within), every: login_within, heard: now, said: now, moved: now }
    }

    /// The client is logged in and wants signs of life that often.
    pub(crate) fn welcomed(&mut self, every: Duration, now: Instant) {
        if self.login_until.take().is_some() {
            (self.every, self.heard, self.said, self.moved) = (every, now, now, now);
        }
    }

    pub(crate) fn is_welcomed(&self) -> bool {
        self.login_until.is_none()
    }

    /// Bytes came, or nobody listens because the client must read first.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// A sign of life was due and is taken care of.
    pub(crate) fn greeted(&mut self, now: Instant) {
        self.said = now;
    }

    /// Bytes went.
    pub(crate) fn said(&mut self, now: Instant) {
        (self.said, self.moved) = (now, now);
    }

    /// There is nothing to read for the client.
    pub(crate) fn idle(&mut self, now: Instant) {
        self.moved = now;
    }

    /// What is due, or why it is over.
    pub(crate) fn look(&self, now: Instant) -> Result<Due, Parting> {
        if let Some(until) = self.login_until {
            return if now >= until { Err(Parting::LoginLate) } else { Ok(Due::Nothing) };
        }
        if now >= self.heard + self.every * MISSING {
            return Err(Parting::Silent);
        }
        if now >= self.moved + self.every * MISSING {
            return Err(Parting::Stuck);
        }
        Ok(if now >= self.said + self.every { Due::SignOfLife } else { Due::Nothing })
    }

    /// When to look again at the latest.
    pub(crate) fn next_look(&self) -> Instant {
        match self.login_until {
            Some(until) => until,
            None => {
                (self.said + self.every).min(self.heard + self.every * MISSING).min(self.moved + self.every * MISSING)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_does_not_log_in_in_time_is_sent_away_and_who_does_may_stay() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start, 5 * SECOND);
        assert_eq!(pulse.look(start + 4 * SECOND), Ok(Due::Nothing));
        assert_eq!(pulse.look(start + 5 * SECOND), Err(Parting::LoginLate));
        pulse.welcomed(2 * SECOND, start + 4 * SECOND);
        assert_eq!(pulse.look(start + 5 * SECOND), Ok(Due::Nothing));
    }

    #[test]
    fn a_client_is_greeted_when_nothing_else_was_said_and_gone_after_three_silent_intervals() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start, SECOND);
        pulse.welcomed(SECOND, start);
        assert_eq!(pulse.next_look(), start + SECOND);
        assert_eq!(pulse.look(start + SECOND), Ok(Due::SignOfLife));
        pulse.said(start + SECOND);
        assert_eq!(pulse.look(start + SECOND), Ok(Due::Nothing));
        pulse.idle(start + 2 * SECOND);
        assert_eq!(pulse.look(start + 3 * SECOND), Err(Parting::Silent));
        pulse.heard(start + 2 * SECOND);
        assert!(pulse.look(start + 3 * SECOND).is_ok());
    }

    #[test]
    fn a_client_that_speaks_and_does_not_read_is_stuck() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start, SECOND);
        pulse.welcomed(SECOND, start);
        pulse.heard(start + 3 * SECOND);
        assert_eq!(pulse.look(start + 3 * SECOND), Err(Parting::Stuck));
    }
}

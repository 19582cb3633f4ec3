//! The board on which rooms publish whether their leg stands and what troubles it, for readiness and `/health`.
//! Holds no history and decides nothing; who needs which leg is decided where roles are known.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// Something that a role needs from the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// The session can publish: sales and windows, or everything where all roles publish as one user.
    Publish,
    /// Aggregation's own session can publish late and rejected sales.
    PublishAggregation,
    /// Reporting's own session can publish rejections.
    PublishReporting,
    /// Validation in another process takes windows.
    HandOver,
    /// Aggregation's flow is bound.
    ConsumeSales,
    /// Reporting's flows are bound.
    ConsumeReports,
    /// The ledger's flow is bound.
    ConsumeLedger,
    /// Secrets were read and are young enough.
    Secrets,
    /// Aggregation's state store takes writes.
    WindowState,
    /// Reporting's store takes writes.
    ReportingState,
    /// The wall clock agrees with the tills.
    Clock,
    /// The server's certificate holds.
    Certificate,
    /// There are keys to judge bearer tokens by; needed only where `tokens.needed` says so.
    Tokens,
}

impl Leg {
    /// Its name in health documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::PublishAggregation => "publish_aggregation",
            Self::PublishReporting => "publish_reporting",
            Self::HandOver => "hand_over",
            Self::ConsumeSales => "consume_sales",
            Self::ConsumeReports => "consume_reports",
            Self::ConsumeLedger => "consume_ledger",
            Self::Secrets => "secrets",
            Self::WindowState => "window_state",
            Self::ReportingState => "reporting_state",
            Self::Clock => "clock",
            Self::Certificate => "certificate",
            Self::Tokens => "tokens",
        }
    }

    /// Whether it is somebody else who does this for the process.
    pub const fn is_outside(self) -> bool {
        !matches!(self, Self::WindowState | Self::ReportingState)
    }
}

/// Whether a leg stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegState {
    /// It works.
    Up,
    /// It does not; the text says why and what to do.
    Down(String),
}

impl LegState {
    /// Whether it works.
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }
}

/// What a leg was last said to be, and since when.
type Known = (LegState, DateTime<Utc>);

/// Shared by all rooms of one process; a leg that nobody has reported is down.
#[derive(Debug, Clone, Default)]
pub struct HealthBoard {
    legs: Arc<Mutex<BTreeMap<Leg, Known>>>,
    remarks: Arc<Mutex<BTreeMap<Leg, String>>>,
}

impl HealthBoard {
    /// Publishes the state of one leg.
    pub fn set(&self, leg: Leg, state: LegState) {
        let mut legs = self.legs.lock().unwrap_or_else(PoisonError::into_inner);
        let same = legs.get(&leg).filter(|(known, _)| known.is_up() == state.is_up());
        let since = same.map_or_else(Utc::now, |(_, since)| *since);
        legs.insert(leg, (state, since));
    }

    /// The last published state; down with a reason when none was.
    pub fn get(&self, leg: Leg) -> LegState {
        let legs = self.legs.lock().unwrap_or_else(PoisonError::into_inner);
        let state = legs.get(&leg).map(|(state, _)| state.clone());
        state.unwrap_or_else(|| LegState::Down("not started yet".to_owned()))
    }

    /// Since when it stands, or is down; `None` where nobody has said anything.
    pub fn since(&self, leg: Leg) -> Option<DateTime<Utc>> {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner).get(&leg).map(|(_, since)| *since)
    }

    /// Says what troubles a leg that still stands, or that nothing does any more.
    pub fn remark(&self, leg: Leg, trouble: Option<String>) {
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            Some(text) => drop(remarks.insert(leg, text)),
            None => drop(remarks.remove(&leg)),
        }
    }

    /// What troubles a leg, if something does.
    pub fn remark_on(&self, leg: Leg) -> Option<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).get(&leg).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_down_since_it_fell_and_not_since_it_was_last_said() {
        let (board, down) = (HealthBoard::default(), |why: &str| LegState::Down(why.to_owned()));
        assert_eq!(board.since(Leg::Publish), None);
        board.set(Leg::Publish, LegState::Up);
        board.set(Leg::Publish, down("first"));
        let fell = board.since(Leg::Publish);
        board.set(Leg::Publish, down("still"));
        assert_eq!((board.since(Leg::Publish), board.get(Leg::Publish)), (fell, down("still")));
        board.set(Leg::Publish, LegState::Up);
        assert!(board.since(Leg::Publish) >= fell);
    }
}

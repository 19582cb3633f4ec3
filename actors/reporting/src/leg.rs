//! The health leg that Turnover and Ledger share: it stands while both databases take writes.
//! Does not know why a side is in trouble; the side says so.

use std::sync::{Arc, Mutex, PoisonError};

use tillstream_messages::{HealthBoard, Leg, LegState};

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Turnover rows.
    Turnover,
    /// The ledger's own side.
    Ledger,
}

/// Joins the state of both sides into [`Leg::ReportingState`].
#[derive(Debug, Clone)]
pub(crate) struct SharedLeg {
    board: HealthBoard,
    states: Arc<Mutex<[LegState; 2]>>,
}

impl SharedLeg {
    /// Both sides are down until they say otherwise.
    pub(crate) fn new(board: HealthBoard) -> Self {
        let opening = || LegState::Down("the reporting store is being opened".to_owned());
        Self { board, states: Arc::new(Mutex::new([opening(), opening()])) }
    }

    /// Publishes the state of one side.
    pub(crate) fn set(&self, side: Side, state: LegState) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states[side as usize] = state;
        let first_trouble = states.iter().find(|state| **state != LegState::Up);
        self.board.set(Leg::ReportingState, first_trouble.cloned().unwrap_or(LegState::Up));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leg_stands_only_while_both_sides_do() {
        let board = HealthBoard::default();
        let leg = SharedLeg::new(board.clone());

        leg.set(Side::Turnover, LegState::Up);
        assert!(matches!(board.get(Leg::ReportingState), LegState::Down(_)));

        leg.set(Side::Ledger, LegState::Up);
        assert_eq!(board.get(Leg::ReportingState), LegState::Up);

        leg.set(Side::Turnover, LegState::Down("disk full".to_owned()));
        assert_eq!(board.get(Leg::ReportingState), LegState::Down("disk full".to_owned()));
    }
}

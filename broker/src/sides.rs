//! The two sides of a queue, each of which can be shut while the broker is open, as an operator of a Solace broker does.
//! Nothing of it is written: a broker that is opened begins with all sides open.

use std::task::Waker;

use crate::state::State;

/// One side of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Shut, it takes no messages from publishers: they are refused, or it goes without, as when it is full. What another
    /// queue gives up still gets in, since it has nowhere else to go.
    Incoming,
    /// Shut, nobody is bound, and nobody stands in line.
    Outgoing,
}

/// Which sides of a queue are shut.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    pub(crate) incoming_shut: bool,
    pub(crate) outgoing_shut: bool,
    /// Bindings up to this one ended because the queue was shut.
    pub(crate) turned_out: u64,
}

// === impl State ===

impl State {
    /// Returns whose flow or place in line has ended by it.
    pub(crate) fn set_shut(&mut self, index: u16, side: Side, shut: bool) -> Vec<Waker> {
        let sides = &mut self.queues[index as usize].sides;
        match side {
            Side::Incoming => sides.incoming_shut = shut,
            Side::Outgoing => sides.outgoing_shut = shut,
        }
        if side == Side::Outgoing && shut { self.turn_out(index) } else { Vec::new() }
    }

    fn turn_out(&mut self, index: u16) -> Vec<Waker> {
        let newest = self.bindings;
        let queue = &mut self.queues[index as usize];
        queue.sides.turned_out = newest;
        let wakers = queue.take_all_wakers();
        queue.line.clear();
        self.release(index);
        wakers
    }
}

//! What a driver is to do next.

use std::collections::VecDeque;

use millwork_core::command::Command;
use millwork_core::decide::Decision;
use millwork_core::effect::Effect;
use millwork_core::event::Record;

/// What a driver does next.
pub(super) enum Next {
    /// Carries out orders, one after the other.
    Orders(VecDeque<Order>),
    /// Reads the journal: somebody else may have advanced the run.
    LookAgain,
}

/// A command to the run.
pub(super) struct Order {
    pub(super) command: Command,
    /// Whether what it comes to may be written later: it is the result of a pure step.
    pub(super) may_be_held: bool,
}

impl Order {
    pub(super) const fn of(command: Command) -> Self {
        Self {
            command,
            may_be_held: false,
        }
    }

    /// A command whose records were held back, and turned out to have no place where they were to go.
    pub(super) const fn again(command: Command) -> Self {
        Self {
            command,
            may_be_held: true,
        }
    }
}

/// What was decided on several orders, and is written together.
#[derive(Default)]
pub(super) struct Gathered {
    /// What it was decided for: where the journal turns out to have gone on without them, it is decided again.
    pub(super) orders: Vec<Order>,
    pub(super) records: Vec<Record>,
    pub(super) effects: Vec<Effect>,
}

impl Gathered {
    /// Orders that are decided on together, at most.
    pub(super) const ORDERS_MAX: usize = 256;

    /// Records that are written together: a decision that comes to more is written alone.
    const RECORDS_MAX: usize = 1_024;

    pub(super) const fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.orders.len() >= Self::ORDERS_MAX || self.records.len() >= Self::RECORDS_MAX
    }

    pub(super) fn add(&mut self, order: Order, decision: Decision) {
        self.orders.push(order);
        self.records.extend(decision.records);
        self.effects.extend(decision.effects);
    }
}

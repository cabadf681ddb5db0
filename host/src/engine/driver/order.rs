//! What a driver is to do next.

use millwork_core::command::Command;

/// What a driver does next.
pub(super) enum Next {
    /// Carries out an order.
    Order(Order),
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

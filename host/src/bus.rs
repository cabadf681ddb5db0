//! PORT Bus: hands runs that have something to do to whoever executes them.
//!
//! A [`WorkItem`] is a hint, not the truth. If it is lost, the store still knows that the run is due; if it comes twice, the
//! journal lets only one of the two advance the run.

pub mod local;

use std::sync::Arc;

use async_trait::async_trait;
use millwork_core::event::RunCreated;
use millwork_core::id::RunId;
use millwork_core::time::Timestamp;

/// PORT: carries work items from who has them to who executes them.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Hands an item on, or says that there is no room for it. An item that found no room is not lost: the store knows
    /// that its run is due, and [`Bus::room`] says when to ask it.
    fn publish(&self, item: WorkItem) -> Result<(), Full>;

    /// Takes the next item; waits for one. Nothing once the bus is closed.
    async fn receive(&self) -> Option<WorkItem>;

    /// How many items wait to be received.
    fn depth(&self) -> usize;

    /// Waits until there is room for a good number of items, and says for how many. Zero once the bus is closed.
    async fn room(&self) -> usize;

    /// Takes nothing more in and hands nothing more out: what is still in it, the store knows.
    fn close(&self);
}

/// There is no room on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A run that has something to do.
#[derive(Clone, Debug)]
pub struct WorkItem {
    /// Which run.
    pub run: RunId,
    /// How it began, where it has only just begun: then there is nothing to read.
    pub fresh: Option<Fresh>,
}

/// A run of which only the first event has been written.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// How it began.
    pub created: Arc<RunCreated>,
    /// When.
    pub at: Timestamp,
}

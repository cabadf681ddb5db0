//! The bus: hands runs that have something to do to whoever executes them, and tells what happened.
//!
//! The door is [`Bus`]; the implementations are behind it. Nothing on it is the truth. A [`WorkItem`] is a hint: if it is
//! lost, the store still knows that the run is due; if it comes twice, the journal lets only one of the two advance the run.
//! A [`Notice`] that is lost is made up for by whoever asks the store.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod event;
pub mod kafka;
pub mod local;
pub mod source;
pub mod telemetry;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use millwork_core::event::RunCreated;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;
use millwork_core::trace::TraceContext;

pub use event::CloudEvent;
pub use kafka::Kafka;
pub use local::Local;

/// PORT: carries work items from who has them to who executes them, and what happened to whoever wants to know.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Whether other processes execute what is published here.
    fn is_shared(&self) -> bool;

    /// Hands an item to whoever executes it first, in this process or another, or says that there is no room for it. An
    /// item that found no room is not lost: the store knows that its run is due.
    fn publish(&self, item: WorkItem) -> Result<(), Full>;

    /// Hands an item to this process's own workers, or says that there is no room for it; [`Bus::room`] says when there is.
    fn keep(&self, item: WorkItem) -> Result<(), Full>;

    /// Takes the next item; waits for one. Nothing once the bus is closed.
    async fn receive(&self) -> Option<Delivery>;

    /// How many items wait here to be received.
    fn depth(&self) -> usize;

    /// Waits until there is room for a good number of items to [`Bus::keep`], and says for how many. Zero once the bus is closed.
    async fn room(&self) -> usize;

    /// Announces to the world that a run has ended. It is told at least once where `told` says so, and perhaps where it does
    /// not: then it is to be announced again.
    fn announce(&self, ended: Ended, told: Told);

    /// Tells the world of something that happened to a run, where there is a topic for that; where there is none, it is told. The same
    /// holds of `told` as of [`Bus::announce`].
    fn tell(&self, run: RunId, event: &CloudEvent, told: Told);

    /// Tells the other processes that something has been done to a run which they should not learn of by chance.
    fn notify(&self, notice: Notice);

    /// What another process tells; waits for it. May come twice, and may be lost. Nothing once the bus is closed.
    async fn notice(&self) -> Option<Notice>;

    /// Says in words what is wrong, if anything is.
    fn health(&self) -> Result<(), String>;

    /// Takes nothing more in and hands nothing more out: what is still in it, the store knows.
    fn close(&self);

    /// Ends it, once it is closed and everything that was received is finished or given up: notes what was finished, hands
    /// over what was published, and lets others have the rest. Takes seconds at most.
    async fn leave(&self);
}

/// There is no room on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A run that may have something to do.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkItem {
    /// Which run.
    pub run: RunId,
    /// What is known of it.
    pub known: Known,
}

/// What is known of a run that comes over the bus.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Only its first event has been written, and nobody else has been told of it: there is nothing to read.
    Begun(Begun),
    /// It began at this time, and others may have been told of it before: whoever first moves the claim with which it was
    /// created has it.
    Offered {
        /// When.
        began: Timestamp,
    },
    /// This process has claimed it: nobody else takes it on before this time.
    Claimed {
        /// Until when.
        until: Timestamp,
    },
    /// It may have something to do; the store knows.
    Hinted,
}

/// How a run began.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    /// Its first event.
    pub created: Arc<RunCreated>,
    /// When.
    pub at: Timestamp,
}

/// An item that has been received.
#[derive(Debug)]
pub struct Delivery {
    /// The item.
    pub item: WorkItem,
    /// To be dropped when the run has been executed, or been given up.
    pub receipt: Receipt,
}

/// Says, when it is dropped, that an item is finished with: it need not be delivered again.
#[derive(Default)]
pub struct Receipt(Option<Box<dyn FnOnce() + Send>>);

impl Receipt {
    /// A receipt that nobody waits for.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// A receipt that calls back.
    #[must_use]
    pub fn new(finished: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(finished)))
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receipt").field(&self.0.is_some()).finish()
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(finished) = self.0.take() {
            finished();
        }
    }
}

/// The end of a run, as the world is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Which run.
    pub run: RunId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Of which version of it.
    pub version: u32,
    /// How it ended.
    pub status: RunStatus,
    /// Why, where it failed.
    pub error: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ended.
    pub completed_at: Timestamp,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
}

/// Is called once with whether the end of a run has been told for good.
pub type Told = Box<dyn FnOnce(bool) + Send>;

/// What one process tells the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Somebody has done something to the run: who executes it should look.
    Changed(RunId),
    /// The run has ended.
    Ended(RunId),
}

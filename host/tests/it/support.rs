//! What the tests stand on: a host in memory, or a cluster of them, with a clock moved by hand and scripted plugins.

pub(crate) mod cluster;
pub(crate) mod harness;
pub(crate) mod hub;
pub(crate) mod receiver;
pub(crate) mod scripted;
pub(crate) mod stoppable;
pub(crate) mod topics;

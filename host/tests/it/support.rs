//! What the tests stand on: a host in memory with a clock moved by hand and scripted plugins.

pub(crate) mod harness;
pub(crate) mod scripted;

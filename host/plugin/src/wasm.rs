//! The WebAssembly sandbox: an engine, a loader and calls, each call in an instance of its own.

pub(crate) mod bindings;
pub(crate) mod cache;
pub(crate) mod call;
pub(crate) mod convert;
pub(crate) mod engine;
pub(crate) mod gate;
pub(crate) mod load;
pub(crate) mod sandbox;
pub(crate) mod state;
pub(crate) mod trap;

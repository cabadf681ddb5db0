//! Millwork's host: the engine around `millwork-core`, the API, and the binary's parts.

pub mod bus;
pub mod clock;
pub mod engine;
pub mod random;
pub mod telemetry;
pub mod worker;

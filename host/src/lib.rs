//! Millwork's host: the engine around `millwork-core`, the API, and the binary's parts.

pub mod access;
pub mod api;
pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
mod cron;
pub mod difference;
pub mod document;
pub mod engine;
pub mod events;
#[cfg(test)]
mod generated;
mod kept;
pub mod nearest;
mod outgoing;
pub mod random;
pub mod safe;
pub mod shelf;
pub mod shutdown;
pub mod telemetry;
pub mod traces;
pub mod worker;

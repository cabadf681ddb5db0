//! Millwork's host.

pub mod api;
pub mod cli;
pub mod config;
pub mod engine;
#[cfg(test)]
mod generated;
pub mod nearest;
pub mod shutdown;
pub mod telemetry;

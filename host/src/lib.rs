//! Millwork's host.

pub mod engine;

//! Servers for tests, and for trying a cluster without containers: a PostgreSQL and an Apache Kafka on loopback, with data
//! of their own that goes when they go. They end with the process that started them, however that ends.
//!
//! A server that cannot be had is an error that says why and what to do; nothing here is skipped in silence.

pub mod kafka;
pub mod postgres;

//! What is aimed at on two cores that client, server and database share. Ratios are within one run of `make bench`.

/// The everyday mix of 1,000 users: requests a second, and the slowest but one in a hundred.
pub(crate) const MIX_1000_PER_SECOND: f64 = 24_600.0;
pub(crate) const MIX_1000_P99_MS: f64 = 60.0;
/// The same of 10,000 users.
pub(crate) const MIX_10000_PER_SECOND: f64 = 27_200.0;
pub(crate) const MIX_10000_P99_MS: f64 = 700.0;
/// From the last trigger of a mix until its last run has ended.
pub(crate) const MIX_LAST_END_SECONDS: f64 = 3.0;
/// Triggers at 1,000 connections, as a share of a handler that does nothing.
pub(crate) const TRIGGERS_SHARE: f64 = 0.5;
/// Completed three-step runs a second.
pub(crate) const RUNS_PER_SECOND: f64 = 12_000.0;
/// One three-step run on an idle server.
pub(crate) const SINGLE_P50_MS: f64 = 1.5;
pub(crate) const SINGLE_P99_MS: f64 = 5.0;
/// A plugin call, in bare calls; two threads, in one.
pub(crate) const CALL_TIMES_BARE: f64 = 1.5;
pub(crate) const TWO_THREADS: f64 = 1.8;
/// What a sleeping run holds, and a server in which a million sleep.
pub(crate) const SLEEPER_BYTES: f64 = 200.0;
pub(crate) const MILLION_MIB: f64 = 400.0;
/// How late the slowest but one in a hundred wakes where times are spread, and when all of a million have woken that are due at once.
pub(crate) const LATE_P99_MS: f64 = 20.0;
pub(crate) const AWAKE_SECONDS: f64 = 5.0;
/// Reads on a full store, as a share of those on an empty one.
pub(crate) const READS_SHARE: f64 = 0.7;
/// From the start after a crash until the last of 100,000 runs has ended.
pub(crate) const RECOVERY_SECONDS: f64 = 5.0;
/// A start with compiled plugins.
pub(crate) const START_MS: f64 = 300.0;
/// Three-step runs on PostgreSQL and Kafka, as a share of the embedded throughput.
pub(crate) const CLUSTER_SHARE: f64 = 0.333;

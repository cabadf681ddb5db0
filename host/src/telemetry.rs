//! Names of what is measured (placeholder until the API branch merges).

pub const RUNS_TRIGGERED: &str = "millwork_runs_triggered_total";
pub const RUNS_COMPLETED: &str = "millwork_runs_completed_total";
pub const RUNS_IN_FLIGHT: &str = "millwork_runs_in_flight";
pub const ATTEMPTS: &str = "millwork_attempts_total";
pub const TIMERS_FIRED: &str = "millwork_timers_fired_total";
pub const TIMER_LATENESS_SECONDS: &str = "millwork_timer_lateness_seconds";
pub const COMMIT_BATCH_SIZE: &str = "millwork_commit_batch_size";

//! The whole host, tested as a whole. One binary, since each one links the plugin runtime again.

mod support;

mod access;
mod authors;
mod cluster_faults;
mod cluster_in_memory;
mod command_line;
mod contract;
mod deliveries;
mod elision;
mod engine_in_memory;
mod events_in_memory;
mod examples;
mod hooks;
mod jobs_in_memory;
mod language_in_memory;
mod limits_in_memory;
mod observe;
mod plugins;
mod polling;
mod prelude_in_memory;
mod process;
mod schedules_in_memory;
mod signals_in_memory;
mod topics_in_memory;
mod traces;
mod triggers_in_memory;
mod trust;
mod versions_in_memory;

//! How much a plugin may use. Every limit has a default, a setting of its own and a failure that names it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the limits stand in the configuration; failures name it, so that an operator knows what to change.
pub(crate) const SECTION: &str = "plugins.limits";

/// The limits of the sandbox: `[plugins.limits]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls that run at the same time, over all plugins. The rest wait. One that waits holds some 160 KiB in
    /// Rust and 560 KiB in JavaScript and, on Linux, six mappings or more: several thousand need a higher `vm.max_map_count`.
    pub calls_in_flight_max: u32,
    /// Calls of one plugin that run at the same time, so that one that hangs leaves room for the others.
    pub calls_in_flight_per_plugin_max: u32,
    /// How long a call may take, host calls included, where the step allows more.
    pub call_max_ms: u64,
    /// How long `describe` and `validate` may take.
    pub question_max_ms: u64,
    /// Processor time of one call; waiting for the host does not count.
    pub cpu_max_ms: u64,
    /// Linear memory of one call, all its memories together. Before it does anything, JavaScript has taken 1.5 MiB, Python 14 MiB.
    pub memory_max_bytes: usize,
    /// Linear memories of one call.
    pub memories_max: u32,
    /// Tables of one call.
    pub tables_max: u32,
    /// Elements of one table.
    pub table_elements_max: usize,
    /// Core instances of one call. Python needs 64.
    pub instances_max: u32,
    /// Call stack.
    pub stack_max_bytes: usize,
    /// Handles to resources of the host.
    pub handles_max: usize,
    /// The same, where a call was granted a directory: each may be an open file.
    pub files_max: usize,
    /// The output of a step, or the details of a failure.
    pub output_max_bytes: usize,
    /// The state that a suspended step leaves for its next call.
    pub state_max_bytes: usize,
    /// What one call may say, over its log, standard output and error. The rest is dropped, and the log says so.
    pub log_max_bytes: usize,
    /// The body of one HTTP request.
    pub http_request_max_bytes: usize,
    /// One HTTP response, headers included.
    pub http_response_max_bytes: usize,
    /// HTTP requests of one call that are under way at the same time.
    pub http_requests_in_flight_max: usize,
    /// Redirects that one HTTP request follows, where the plugin asks for more.
    pub http_redirects_max: u32,
    /// How long it may take to connect for HTTP: looking the name up, connecting, and the handshake.
    pub http_connect_max_ms: u64,
    /// One key of a plugin's kept values.
    pub kv_key_max_bytes: usize,
    /// One of a plugin's kept values.
    pub kv_value_max_bytes: usize,
    /// The file of a plugin.
    pub wasm_max_bytes: usize,
    /// What a plugin says of itself: names, texts and schemas together.
    pub manifest_max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_in_flight_max: 1_000,
            calls_in_flight_per_plugin_max: 500,
            call_max_ms: 15 * 60 * 1_000,
            question_max_ms: 10_000,
            cpu_max_ms: 5_000,
            memory_max_bytes: 64 << 20,
            memories_max: 4,
            tables_max: 16,
            table_elements_max: 20_000,
            instances_max: 64,
            stack_max_bytes: 512 << 10,
            handles_max: 10_000,
            files_max: 64,
            output_max_bytes: 1 << 20,
            state_max_bytes: 256 << 10,
            log_max_bytes: 64 << 10,
            http_request_max_bytes: 4 << 20,
            http_response_max_bytes: 4 << 20,
            http_requests_in_flight_max: 16,
            http_redirects_max: 10,
            http_connect_max_ms: 10_000,
            kv_key_max_bytes: 512,
            kv_value_max_bytes: 64 << 10,
            wasm_max_bytes: 32 << 20,
            manifest_max_bytes: 1 << 20,
        }
    }
}

impl Limits {
    /// Says which limits no sandbox can be built with. Larger ones would not fail a call; they would fail the host.
    pub(crate) fn problems(&self) -> Vec<String> {
        let bytes = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let bounds = [
            (
                "calls_in_flight_max",
                u64::from(self.calls_in_flight_max),
                1,
                100_000,
            ),
            (
                "calls_in_flight_per_plugin_max",
                u64::from(self.calls_in_flight_per_plugin_max),
                1,
                100_000,
            ),
            ("call_max_ms", self.call_max_ms, 1, u64::MAX),
            ("question_max_ms", self.question_max_ms, 1, u64::MAX),
            ("cpu_max_ms", self.cpu_max_ms, 1, u64::MAX),
            (
                "memory_max_bytes",
                bytes(self.memory_max_bytes),
                1 << 20,
                4 << 30,
            ),
            ("memories_max", u64::from(self.memories_max), 1, 100),
            ("tables_max", u64::from(self.tables_max), 1, 1_000),
            (
                "table_elements_max",
                bytes(self.table_elements_max),
                1,
                10_000_000,
            ),
            ("instances_max", u64::from(self.instances_max), 1, 1_000),
            (
                "stack_max_bytes",
                bytes(self.stack_max_bytes),
                64 << 10,
                64 << 20,
            ),
            ("handles_max", bytes(self.handles_max), 1, 10_000_000),
            ("files_max", bytes(self.files_max), 1, 100_000),
            ("output_max_bytes", bytes(self.output_max_bytes), 1, 1 << 30),
            ("state_max_bytes", bytes(self.state_max_bytes), 0, 1 << 30),
            ("log_max_bytes", bytes(self.log_max_bytes), 0, 1 << 30),
            (
                "http_request_max_bytes",
                bytes(self.http_request_max_bytes),
                0,
                1 << 30,
            ),
            (
                "http_response_max_bytes",
                bytes(self.http_response_max_bytes),
                1,
                1 << 30,
            ),
            (
                "http_requests_in_flight_max",
                bytes(self.http_requests_in_flight_max),
                1,
                10_000,
            ),
            ("http_connect_max_ms", self.http_connect_max_ms, 1, u64::MAX),
            ("wasm_max_bytes", bytes(self.wasm_max_bytes), 1, 1 << 30),
            (
                "manifest_max_bytes",
                bytes(self.manifest_max_bytes),
                1,
                1 << 30,
            ),
        ];
        let out_of_bounds = bounds
            .iter()
            .filter(|(_, value, min, max)| !(min..=max).contains(&value));
        out_of_bounds
            .map(|(name, value, min, max)| {
                format!("{SECTION}.{name} is {value}, and can be {min} to {max}")
            })
            .collect()
    }

    /// How many bytes the guest may hand to the host in one go. A coarse wall in front of the exact limits: without it
    /// a guest could make the host copy all its memory before anyone counts.
    pub(crate) fn lifted_max_bytes(&self) -> usize {
        // A string may be lifted through UTF-16, and lists cost more than their bytes: four times, and some for the rest.
        let largest = self
            .output_max_bytes
            .max(self.state_max_bytes)
            .max(self.http_request_max_bytes);
        largest.saturating_mul(4).saturating_add(1 << 20)
    }

    pub(crate) fn question_max(&self) -> Duration {
        Duration::from_millis(self.question_max_ms)
    }

    pub(crate) fn call_max(&self) -> Duration {
        Duration::from_millis(self.call_max_ms)
    }
}

/// Counts that a limit was reached: the metric says which of them plugins meet.
pub(crate) fn note(limit: &'static str) {
    metrics::counter!("millwork_plugin_limits_reached_total", "limit" => limit).increment(1);
}

/// Counts that a limit was reached, and names it in a sentence.
pub(crate) fn reached(limit: &'static str, value: impl std::fmt::Display) -> String {
    note(limit);
    named(limit, value)
}

/// Names a limit in a sentence: `its limit of 64 (plugins.limits.tables_max)`.
pub(crate) fn named(limit: &str, value: impl std::fmt::Display) -> String {
    format!("its limit of {value} ({SECTION}.{limit})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_nobody_knows_is_refused_by_name() {
        let error = toml::from_str::<Limits>("memory_max = 1").expect_err("it is misspelt");
        assert!(error.to_string().contains("memory_max"), "{error}");
    }

    #[test]
    fn limits_that_no_sandbox_can_keep_are_told() {
        assert_eq!(Limits::default().problems(), [""; 0]);
        let limits = Limits {
            memory_max_bytes: usize::MAX,
            stack_max_bytes: 0,
            ..Limits::default()
        };
        let problems = limits.problems();
        assert_eq!(problems.len(), 2);
        assert_eq!(
            problems[0],
            "plugins.limits.memory_max_bytes is 18446744073709551615, and can be 1048576 to 4294967296"
        );
    }

    #[test]
    fn what_is_not_set_keeps_its_default() {
        let limits: Limits = toml::from_str("cpu_max_ms = 100").expect("it is right");
        assert_eq!(
            limits,
            Limits {
                cpu_max_ms: 100,
                ..Limits::default()
            }
        );
    }
}

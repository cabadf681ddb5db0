//! What a run may grow to. Reaching a limit is a failure that names it, and its setting.

/// What a run may grow to. The host sets it; the numbers here are for who sets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items that one loop goes through.
    pub items_max: usize,
    /// Bytes of all the outputs of a run together, as JSON. They are in memory while the run is looked at.
    pub outputs_max_bytes: usize,
    /// Events of a run that it may come to in its course; what ends it is written beyond that.
    pub events_max: u32,
    /// Workflows inside each other, the first included.
    pub depth_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            items_max: 10_000,
            outputs_max_bytes: 64 * 1024 * 1024,
            events_max: 250_000,
            depth_max: 8,
        }
    }
}

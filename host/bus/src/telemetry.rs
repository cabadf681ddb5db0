//! The names of what the bus counts. Who serves metrics lists them there.

/// Messages of the trigger topic that no worker has read yet, over the partitions of this process (gauge).
pub const CONSUMER_LAG: &str = "millwork_bus_consumer_lag";
/// Items that were read and are not finished with (gauge).
pub const ITEMS_UNFINISHED: &str = "millwork_bus_items_unfinished";
/// Partitions that this process reads (gauge).
pub const PARTITIONS: &str = "millwork_bus_partitions";
/// Positions noted with the broker, by `outcome` (counter).
pub const COMMITS: &str = "millwork_bus_commits_total";
/// Changes of who reads which partition, by `kind` (counter).
pub const REBALANCES: &str = "millwork_bus_rebalances_total";
/// Messages that could not be understood and were put aside (counter).
pub const DEAD_LETTERS: &str = "millwork_bus_dead_letters_total";
/// Items that the broker has acknowledged (counter).
pub const PUBLISHED: &str = "millwork_bus_published_total";
/// Messages that the broker has not acknowledged in time, by `kind` (counter).
pub const DELIVERY_FAILURES: &str = "millwork_bus_delivery_failures_total";
/// Ends of runs that the broker has acknowledged (counter).
pub const ANNOUNCEMENTS: &str = "millwork_bus_announcements_total";
/// Events for the world that the broker has acknowledged (counter).
pub const EVENTS: &str = "millwork_bus_events_total";

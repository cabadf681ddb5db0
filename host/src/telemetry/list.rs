//! The one list of the host's metrics: their names, and what each says of itself.

use metrics::Unit;
use millwork_bus::telemetry as bus;

/// Runs that were accepted.
pub const RUNS_TRIGGERED: &str = "millwork_runs_triggered_total";
/// Runs that a limit of their workflow turned away.
pub const RUNS_REFUSED: &str = "millwork_runs_refused_total";
/// Ticks of schedules that have started a run.
pub const TICKS_FIRED: &str = "millwork_schedule_ticks_total";
/// Ticks of schedules whose run was refused.
pub const TICKS_REFUSED: &str = "millwork_schedule_ticks_refused_total";
/// How much later than its tick a schedule has started its run.
pub const TICK_LATENESS_SECONDS: &str = "millwork_schedule_lateness_seconds";
/// Messages on topics that have started a run.
pub const MESSAGES_TAKEN: &str = "millwork_messages_total";
/// Messages on topics that were put aside.
pub const MESSAGES_ASIDE: &str = "millwork_messages_aside_total";
/// Runs that ended; `status`.
pub const RUNS_COMPLETED: &str = "millwork_runs_completed_total";
/// From the creation of a run to its end; `status`.
pub const RUN_SECONDS: &str = "millwork_run_duration_seconds";
/// Runs that wait to be executed.
pub const BACKLOG: &str = "millwork_backlog_runs";
/// Runs held in memory because they are due within the minute.
pub const DUE_SOON: &str = "millwork_due_soon_runs";
/// Runs that are being executed.
pub const IN_FLIGHT: &str = "millwork_in_flight_runs";
/// Steps that ended; `status`.
pub const STEPS_COMPLETED: &str = "millwork_steps_completed_total";
/// Attempts that failed and are made again.
pub const STEP_RETRIES: &str = "millwork_step_retries_total";
/// Calls of plugins; `plugin`, `result` (`completed`, `suspended`, `failed`).
pub const PLUGIN_CALLS: &str = "millwork_plugin_calls_total";
/// How long a call of a plugin takes; `plugin`.
pub const PLUGIN_CALL_SECONDS: &str = "millwork_plugin_call_duration_seconds";
/// Limits of the sandbox that plugins reached; `limit`, as its setting is called.
pub const PLUGIN_LIMITS_REACHED: &str = "millwork_plugin_limits_reached_total";
/// Timers that fired.
pub const TIMERS_FIRED: &str = "millwork_timers_fired_total";
/// How much later than due a timer fires.
pub const TIMER_LATENESS_SECONDS: &str = "millwork_timer_lateness_seconds";
/// Commits to the store that were made.
pub const COMMITS: &str = "millwork_commits_total";
/// Commits that found their place in the journal taken.
pub const COMMIT_CONFLICTS: &str = "millwork_commit_conflicts_total";
/// Runs that this process took on because they were due, or because nobody saw to them any more.
pub const RUNS_CLAIMED: &str = "millwork_runs_claimed_total";
/// Runs that another process took on while this one had them in hand.
pub const RUNS_LOST: &str = "millwork_runs_lost_total";
/// New runs whose hint found no room on the bus; they are found by their claim.
pub const HINTS_UNPUBLISHED: &str = "millwork_hints_unpublished_total";
/// Ended runs of which the world has been told.
pub const ENDS_SETTLED: &str = "millwork_ends_settled_total";
/// Attempts to deliver an event to a webhook; `webhook`, `result` (`delivered`, `failed`, `exhausted`).
pub const DELIVERIES: &str = "millwork_event_deliveries_total";
/// How long a webhook takes to answer; `webhook`.
pub const DELIVERY_SECONDS: &str = "millwork_event_delivery_duration_seconds";
/// Deliveries that have not arrived; `webhook`, `state` (`pending`, `exhausted`).
pub const DELIVERIES_KEPT: &str = "millwork_event_deliveries_kept";
/// How many commits are made durable at once.
pub const COMMIT_BATCH_SIZE: &str = "millwork_commit_batch_size";
/// How long it takes to make a batch durable.
pub const COMMIT_SECONDS: &str = "millwork_commit_duration_seconds";
/// HTTP requests; `route`, `method`, `status`.
pub const HTTP_REQUEST_SECONDS: &str = "millwork_http_request_duration_seconds";
/// HTTP connections that are open.
pub const HTTP_CONNECTIONS: &str = "millwork_http_connections";

/// Whether a part of the system is well; `part` (`store`, `bus`, `engine`).
pub const PART_HEALTHY: &str = "millwork_part_healthy";
/// Runs that may wait to be executed before triggers are turned away.
pub const BACKLOG_MAX: &str = "millwork_backlog_max_runs";
/// Runs that may be executed at the same time.
pub const IN_FLIGHT_MAX: &str = "millwork_in_flight_max_runs";
/// How large the database is.
pub const STORE_SIZE_BYTES: &str = "millwork_store_size_bytes";
/// Which version this is; `version`.
pub const BUILD_INFO: &str = "millwork_build_info";

/// A metric, as it describes itself.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// What it means.
    pub help: &'static str,
    /// What it is.
    pub kind: Kind,
    /// By what it is told apart. Each has few values: no run, no user, no address.
    pub labels: &'static [&'static str],
}

/// What a metric is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many fell below each of these bounds.
    Histogram(&'static [f64]),
}

/// From a tenth of a millisecond to a minute.
const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];
/// From ten milliseconds to a day: runs sleep.
const LONG_SECONDS: &[f64] = &[
    0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0,
];
/// Powers of four, up to the largest batch.
const SIZES: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0];

/// Every metric of the host.
pub const METRICS: &[Metric] = &[
    counter(RUNS_TRIGGERED, "Runs that were accepted"),
    counter(
        RUNS_REFUSED,
        "Runs that a limit of their workflow turned away",
    ),
    counter(TICKS_FIRED, "Ticks of schedules that have started a run"),
    counter(TICKS_REFUSED, "Ticks of schedules whose run was refused"),
    histogram(
        TICK_LATENESS_SECONDS,
        Unit::Seconds,
        SECONDS,
        "How much later than its tick a schedule has started its run",
    ),
    counter(MESSAGES_TAKEN, "Messages on topics that have started a run"),
    counter(
        MESSAGES_ASIDE,
        "Messages on topics that were put aside: no JSON, or not what a workflow takes",
    ),
    counter(RUNS_COMPLETED, "Runs that ended, by status").by(&["status"]),
    histogram(
        RUN_SECONDS,
        Unit::Seconds,
        LONG_SECONDS,
        "From the creation of a run to its end, by status",
    )
    .by(&["status"]),
    gauge(BACKLOG, "Runs that wait to be executed"),
    gauge(
        DUE_SOON,
        "Runs held in memory because they are due within the minute",
    ),
    gauge(
        bus::CONSUMER_LAG,
        "Messages of the trigger topic that no worker has read yet, over the partitions of this process",
    ),
    gauge(
        bus::ITEMS_UNFINISHED,
        "Items of the trigger topic that were read and are not finished with",
    ),
    gauge(
        bus::PARTITIONS,
        "Partitions of the trigger topic that this process reads",
    ),
    counter(bus::COMMITS, "Positions noted with the broker, by outcome").by(&["outcome"]),
    counter(
        bus::REBALANCES,
        "Changes of who reads which partition, by kind",
    )
    .by(&["kind"]),
    counter(
        bus::DEAD_LETTERS,
        "Messages that could not be understood and were put aside",
    ),
    counter(bus::PUBLISHED, "Items that the broker has acknowledged"),
    counter(
        bus::DELIVERY_FAILURES,
        "Messages that the broker has not acknowledged in time, by kind",
    )
    .by(&["kind"]),
    counter(
        bus::ANNOUNCEMENTS,
        "Ends of runs that the broker has acknowledged",
    ),
    counter(
        RUNS_CLAIMED,
        "Runs that this process took on because they were due, or because nobody saw to them any more",
    ),
    counter(
        RUNS_LOST,
        "Runs that another process took on while this one had them in hand",
    ),
    counter(
        HINTS_UNPUBLISHED,
        "New runs whose hint found no room on the bus; they are found by their claim",
    ),
    counter(ENDS_SETTLED, "Ended runs of which the world has been told"),
    counter(
        bus::EVENTS,
        "Events for the world that the broker has acknowledged",
    ),
    counter(
        DELIVERIES,
        "Attempts to deliver an event to a webhook, by webhook and result",
    )
    .by(&["webhook", "result"]),
    histogram(
        DELIVERY_SECONDS,
        Unit::Seconds,
        SECONDS,
        "How long an attempt to deliver an event takes, by webhook",
    )
    .by(&["webhook"]),
    gauge(
        DELIVERIES_KEPT,
        "Deliveries that have not arrived, by webhook and state",
    )
    .by(&["webhook", "state"]),
    gauge(IN_FLIGHT, "Runs that are being executed"),
    counter(STEPS_COMPLETED, "Steps that ended, by status").by(&["status"]),
    counter(STEP_RETRIES, "Attempts that failed and are made again"),
    counter(PLUGIN_CALLS, "Calls of plugins, by plugin and result").by(&["plugin", "result"]),
    counter(
        PLUGIN_LIMITS_REACHED,
        "Limits of the sandbox that plugins reached, by limit",
    )
    .by(&["limit"]),
    histogram(
        PLUGIN_CALL_SECONDS,
        Unit::Seconds,
        SECONDS,
        "How long a call of a plugin takes, by plugin",
    )
    .by(&["plugin"]),
    counter(TIMERS_FIRED, "Timers that fired"),
    histogram(
        TIMER_LATENESS_SECONDS,
        Unit::Seconds,
        SECONDS,
        "How much later than due a timer fires",
    ),
    counter(COMMITS, "Commits to the store that were made"),
    counter(
        COMMIT_CONFLICTS,
        "Commits that found their place in the journal taken",
    ),
    histogram(
        COMMIT_BATCH_SIZE,
        Unit::Count,
        SIZES,
        "How many commits are made durable at once",
    ),
    histogram(
        COMMIT_SECONDS,
        Unit::Seconds,
        SECONDS,
        "How long it takes to make a batch of commits durable",
    ),
    histogram(
        HTTP_REQUEST_SECONDS,
        Unit::Seconds,
        SECONDS,
        "How long a request takes, by route, method and status",
    )
    .by(&["route", "method", "status"]),
    gauge(HTTP_CONNECTIONS, "HTTP connections that are open"),
    gauge(
        PART_HEALTHY,
        "Whether a part of the system is well (1) or not (0), by part",
    )
    .by(&["part"]),
    gauge(
        BACKLOG_MAX,
        "Runs that may wait to be executed before triggers are turned away",
    ),
    gauge(IN_FLIGHT_MAX, "Runs that may be executed at the same time"),
    bytes(STORE_SIZE_BYTES, "How large the database is"),
    gauge(BUILD_INFO, "Always 1; tells the version").by(&["version"]),
];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        unit: Unit::Count,
        help,
        kind: Kind::Counter,
        labels: &[],
    }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        unit: Unit::Count,
        help,
        kind: Kind::Gauge,
        labels: &[],
    }
}

const fn histogram(
    name: &'static str,
    unit: Unit,
    bounds: &'static [f64],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        unit,
        help,
        kind: Kind::Histogram(bounds),
        labels: &[],
    }
}

const fn bytes(name: &'static str, help: &'static str) -> Metric {
    Metric {
        unit: Unit::Bytes,
        ..gauge(name, help)
    }
}

impl Metric {
    /// The same, told apart by labels.
    const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }
}

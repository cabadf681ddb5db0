//! Which figures there are, where each stands, and what it is held against.

use anyhow::Result;

use super::aims::{
    AWAKE_SECONDS, CALL_TIMES_BARE, CLUSTER_SHARE, LATE_P99_MS, MILLION_MIB, MIX_1000_P99_MS,
    MIX_1000_PER_SECOND, MIX_10000_P99_MS, MIX_10000_PER_SECOND, MIX_LAST_END_SECONDS, READS_SHARE,
    RECOVERY_SECONDS, RUNS_PER_SECOND, SINGLE_P50_MS, SINGLE_P99_MS, SLEEPER_BYTES, START_MS,
    TRIGGERS_SHARE, TWO_THREADS,
};
use super::{Line, number};
use crate::figures::{Measured, Row, embedded, in_column, is};
use crate::limits::{DATABASE, DISK, HANDLER};

/// What a figure is aimed to be.
#[derive(Clone, Copy)]
enum Aim {
    None,
    Least(f64),
    Most(f64),
}

impl Aim {
    fn text(self, unit: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::Least(value) => format!("≥ {}{unit}", number(value)),
            Self::Most(value) => format!("≤ {}{unit}", number(value)),
        }
    }

    fn holds(self, figure: f64) -> Option<bool> {
        match self {
            Self::None => None,
            Self::Least(value) => Some(figure >= value),
            Self::Most(value) => Some(figure <= value),
        }
    }
}

fn line(what: impl Into<String>, figure: Option<f64>, unit: &str, aim: Aim) -> Line {
    Line {
        what: what.into(),
        figure: figure.map(|figure| format!("{}{unit}", number(figure))),
        aim: aim.text(unit),
        holds: figure.and_then(|figure| aim.holds(figure)),
        ..Line::default()
    }
}

impl Line {
    /// Holds a figure against a limit of the same unit, of which it can be a share.
    fn of(self, figure: Option<f64>, name: &str, limit: Option<f64>) -> Self {
        let limit = limit.filter(|limit| *limit > 0.0);
        Self {
            limit: limit.map_or_else(String::new, |limit| format!("{name}: {}", number(limit))),
            share: figure.zip(limit).map(|(figure, limit)| figure / limit),
            ..self
        }
    }
}

const MS: &str = " ms";
const SECONDS: &str = " s";
const PER_SECOND: &str = "/s";
const TIMES: &str = " times";

/// Every figure, in the order of the table.
pub(super) fn all(measured: &Measured) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    lines.extend(mix(measured)?);
    lines.extend(triggers(measured)?);
    lines.extend(runs(measured)?);
    lines.extend(shapes(measured)?);
    lines.extend(calls(measured)?);
    lines.extend(sleepers(measured)?);
    lines.extend(reads(measured)?);
    lines.extend(growth(measured)?);
    lines.extend(retention(measured)?);
    lines.extend(starts(measured)?);
    Ok(lines)
}

fn limit(measured: &Measured, what: &str, size: f64, column: &str) -> Result<Option<f64>> {
    let row = measured.newest("limits", |row| {
        row.text("limits.what") == what && is(row, "limits.size", size)
    })?;
    Ok(in_column(&row, column))
}

fn mix(measured: &Measured) -> Result<Vec<Line>> {
    let handler = limit(measured, HANDLER, 1_000.0, "limits.per_second")?;
    let mut lines = Vec::new();
    for (users, per_second, p99) in [
        (1_000.0, MIX_1000_PER_SECOND, MIX_1000_P99_MS),
        (10_000.0, MIX_10000_PER_SECOND, MIX_10000_P99_MS),
    ] {
        let row = measured.newest("mix", |row| embedded(row) && is(row, "users", users))?;
        let name = format!("mix of {} users", number(users));
        let rate = in_column(&row, "per_second");
        lines.push(
            line(
                format!("{name}: requests"),
                rate,
                PER_SECOND,
                Aim::Least(per_second),
            )
            .of(rate, "handler", handler),
        );
        let column = |column: &str| in_column(&row, column);
        lines.push(line(
            format!("{name}: p99"),
            column("latency.p99_ms"),
            MS,
            Aim::Most(p99),
        ));
        lines.push(line(
            format!("{name}: answered as planned"),
            column("success_share"),
            "",
            Aim::Least(1.0),
        ));
        lines.push(line(
            format!("{name}: last trigger to last end (each waits 1 s)"),
            column("last_run_ended_after_last_trigger_seconds"),
            SECONDS,
            Aim::Most(MIX_LAST_END_SECONDS),
        ));
    }
    Ok(lines)
}

fn triggers(measured: &Measured) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for connections in [1.0, 64.0, 1_000.0, 10_000.0] {
        let of = |server: &str| {
            measured.newest("triggers", |row| {
                embedded(row)
                    && row.text("rate").is_empty()
                    && is(row, "rows.steps", 0.0)
                    && is(row, "rows.connections", connections)
                    && row.text("rows.server") == server
            })
        };
        let (ours, null) = (of("millwork")?, of("null")?);
        let name = if is_close(connections, 1.0) {
            "triggers at 1 connection".to_owned()
        } else {
            format!("triggers at {} connections", number(connections))
        };
        let rate = in_column(&ours, "rows.per_second");
        let null = in_column(&null, "rows.per_second");
        lines.push(line(name.clone(), rate, PER_SECOND, Aim::None).of(rate, "handler", null));
        if connections > 999.0 && connections < 1_001.0 {
            let share = in_column(&ours, "rows.share_of_null");
            let aim = Aim::Least(TRIGGERS_SHARE);
            lines.push(line(
                format!("{name}: share of the handler"),
                share,
                "",
                aim,
            ));
        }
        if connections > 1_001.0 {
            let errors = in_column(&ours, "rows.errors");
            lines.push(line(format!("{name}: errors"), errors, "", Aim::Most(0.0)));
        }
    }
    Ok(lines)
}

fn runs(measured: &Measured) -> Result<Vec<Line>> {
    let database = limit(measured, DATABASE, 500.0, "limits.per_second")?;
    let flush = limit(measured, DISK, 1.0, "limits.took.p50_ms")?;
    let flush_p99 = limit(measured, DISK, 1.0, "limits.took.p99_ms")?;
    let mut lines = Vec::new();
    let mut three_steps = None;
    for steps in [1.0, 3.0, 9.0] {
        let row = measured.newest("throughput", |row| embedded(row) && is(row, "steps", steps))?;
        let rate = in_column(&row, "runs_per_second");
        let is_three = is_close(steps, 3.0);
        let aim = if is_three {
            Aim::Least(RUNS_PER_SECOND)
        } else {
            Aim::None
        };
        let name = if is_close(steps, 1.0) {
            "completed runs of 1 step".to_owned()
        } else {
            format!("completed runs of {} steps", number(steps))
        };
        let mut rate_line = line(name, rate, PER_SECOND, aim);
        if is_three {
            rate_line = rate_line.of(rate, "database", database);
            three_steps = row;
        }
        lines.push(rate_line);
    }
    for (name, column) in [
        ("kept alive", "single_run_kept_alive"),
        ("new connection", "single_run_new_connection"),
    ] {
        for (what, p, aim, flush) in [
            ("median", "p50_ms", SINGLE_P50_MS, flush),
            ("p99", "p99_ms", SINGLE_P99_MS, flush_p99),
        ] {
            let took = in_column(&three_steps, &format!("{column}.{p}"));
            lines.push(Line {
                limit: flush.map_or_else(String::new, |flush| {
                    format!("one flush: {} ms", number(flush))
                }),
                ..line(
                    format!("one three-step run, idle, {name}: {what}"),
                    took,
                    MS,
                    Aim::Most(aim),
                )
            });
        }
    }
    let cluster = measured.newest("throughput", |row| !embedded(row) && is(row, "steps", 3.0))?;
    let (rate, alone) = (
        in_column(&cluster, "runs_per_second"),
        in_column(&three_steps, "runs_per_second"),
    );
    lines.push(
        line(
            "three-step runs on PostgreSQL and Kafka",
            rate,
            PER_SECOND,
            Aim::None,
        )
        .of(rate, "embedded", alone),
    );
    let share = rate.zip(alone).map(|(rate, alone)| rate / alone);
    let aim = Aim::Least(CLUSTER_SHARE);
    lines.push(line("the same: share of embedded", share, "", aim));
    Ok(lines)
}

fn is_close(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.5
}

fn shapes(measured: &Measured) -> Result<Vec<Line>> {
    let rows = measured.newest_all("shapes", embedded)?;
    let of = |row: &Row| {
        let name = row.text("shapes.shape");
        let took = |p: &str| row.number(&format!("shapes.run.{p}"));
        line(
            format!("one run, {name}: median"),
            took("p50_ms"),
            MS,
            Aim::None,
        )
    };
    if rows.is_empty() {
        return Ok(vec![line("one run of each shape", None, MS, Aim::None)]);
    }
    Ok(rows.iter().map(of).collect())
}

fn calls(measured: &Measured) -> Result<Vec<Line>> {
    let row = measured.newest("calls", |_| true)?;
    let column = |column: &str| in_column(&row, column);
    let (one, two) = (
        column("one_thread_per_second"),
        column("two_threads_per_second"),
    );
    Ok(vec![
        line("plugin calls on one thread", one, PER_SECOND, Aim::None).of(
            one,
            "bare call",
            column("bare_per_second"),
        ),
        line(
            "the same: time of a bare call",
            column("times_bare"),
            TIMES,
            Aim::Most(CALL_TIMES_BARE),
        ),
        line("plugin calls on two threads", two, PER_SECOND, Aim::None),
        line(
            "the same: calls of one thread",
            column("times_one_thread"),
            TIMES,
            Aim::Least(TWO_THREADS),
        ),
    ])
}

fn sleepers(measured: &Measured) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for runs in [10_000.0, 100_000.0, 1_000_000.0] {
        let form = |at_once: bool| {
            measured.newest("sleepers", |row| {
                is(row, "runs", runs) && is(row, "spread_seconds", 0.0) == at_once
            })
        };
        let (spread, at_once) = (form(false)?, form(true)?);
        let asleep = if spread.is_some() { &spread } else { &at_once };
        let name = format!("{} asleep", number(runs));
        let bytes = in_column(asleep, "bytes_per_sleeper");
        lines.push(line(
            format!("{name}: bytes each"),
            bytes,
            "",
            Aim::Most(SLEEPER_BYTES),
        ));
        let rss = in_column(asleep, "asleep.rss_mib");
        let is_million = is_close(runs, 1_000_000.0);
        let memory = if is_million {
            Aim::Most(MILLION_MIB)
        } else {
            Aim::None
        };
        lines.push(line(format!("{name}: memory in all"), rss, " MiB", memory));
        let late = in_column(&spread, "late_by.p99_ms");
        lines.push(line(
            format!("{name}, spread: late, p99"),
            late,
            MS,
            Aim::Most(LATE_P99_MS),
        ));
        let awake = in_column(&at_once, "all_ended_after_seconds");
        let aim = if is_million {
            Aim::Most(AWAKE_SECONDS)
        } else {
            Aim::None
        };
        lines.push(line(
            format!("{name}, due at once: all ended after"),
            awake,
            SECONDS,
            aim,
        ));
    }
    Ok(lines)
}

fn reads(measured: &Measured) -> Result<Vec<Line>> {
    let rows = measured.newest_all("reads", embedded)?;
    if rows.is_empty() {
        return Ok(vec![line(
            "reads on a full store",
            None,
            "",
            Aim::Least(READS_SHARE),
        )]);
    }
    let of = |row: &Row| {
        let (few, many) = (
            row.number("rows.few_per_second"),
            row.number("rows.many_per_second"),
        );
        let runs = row.number("runs").map(number).unwrap_or_default();
        let name = format!("read {}, among {runs} finished", row.text("rows.read"));
        let share = row.number("rows.share");
        Line {
            aim: Aim::Least(READS_SHARE).text(" of it"),
            holds: share.and_then(|share| Aim::Least(READS_SHARE).holds(share)),
            ..line(name, many, PER_SECOND, Aim::None).of(many, "nearly empty", few)
        }
    };
    Ok(rows.iter().map(of).collect())
}

fn growth(measured: &Measured) -> Result<Vec<Line>> {
    let rows = measured.newest_all("growth", |_| true)?;
    let first = rows
        .first()
        .and_then(|row| row.number("rows.runs_per_second"));
    if rows.is_empty() {
        return Ok(vec![line(
            "runs with a large store",
            None,
            PER_SECOND,
            Aim::None,
        )]);
    }
    let of = |row: &Row| {
        let stored = row.number("rows.stored").map(number).unwrap_or_default();
        let rate = row.number("rows.runs_per_second");
        let bytes = row
            .number("rows.bytes_per_run")
            .map(number)
            .unwrap_or_default();
        let name = format!("three-step runs with {stored} in the store ({bytes} bytes each)");
        line(name, rate, PER_SECOND, Aim::None).of(rate, "smallest store", first)
    };
    Ok(rows.iter().map(of).collect())
}

fn retention(measured: &Measured) -> Result<Vec<Line>> {
    let row = measured.newest("retention", |_| true)?;
    let rate = in_column(&row, "removing_runs_per_second");
    let keeping = in_column(&row, "keeping_runs_per_second");
    let keeps_up = row.as_ref().map(|row| row.text("keeps_up") == "true");
    Ok(vec![
        line(
            "runs while old ones are removed",
            rate,
            PER_SECOND,
            Aim::None,
        )
        .of(rate, "removing none", keeping),
        Line {
            what: "removing keeps up with writing".to_owned(),
            figure: keeps_up.map(|holds| if holds { "yes" } else { "no" }.to_owned()),
            aim: "yes".to_owned(),
            holds: keeps_up,
            ..Line::default()
        },
    ])
}

fn starts(measured: &Measured) -> Result<Vec<Line>> {
    let recovery = measured.newest("recovery", |_| true)?;
    let starts = measured.newest("starts", |_| true)?;
    let runs = in_column(&recovery, "runs").map_or_else(|| "100,000".to_owned(), number);
    let last = in_column(&recovery, "last_after_seconds");
    let column = |column: &str| in_column(&starts, column);
    Ok(vec![
        line(
            format!("{runs} runs in flight, kill -9, start: all ended after"),
            last,
            SECONDS,
            Aim::Most(RECOVERY_SECONDS),
        ),
        line(
            "start, plugins compiled: longest",
            column("later_starts.max_ms"),
            MS,
            Aim::Most(START_MS),
        ),
        line(
            "the catalogue, compiled anew",
            column("compiling_seconds"),
            SECONDS,
            Aim::None,
        ),
        line(
            "first start, plugins to be compiled",
            column("first_start_seconds"),
            SECONDS,
            Aim::None,
        ),
        line("memory at rest", column("idle.rss_mib"), " MiB", Aim::None),
    ])
}

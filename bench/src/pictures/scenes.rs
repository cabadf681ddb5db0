//! Which pictures there are, and which figures each shows.

use std::path::Path;

use anyhow::Result;

use super::bars::{Bars, Line};
use super::course::Course;
use crate::figures::{Measured, Row, embedded, in_column, is};
use crate::summary::aims::{
    CALL_TIMES_BARE, LATE_P99_MS, MIX_1000_PER_SECOND, MIX_10000_PER_SECOND, RUNS_PER_SECOND,
    SINGLE_P50_MS, SINGLE_P99_MS, SLEEPER_BYTES, START_MS,
};
use crate::summary::number;

/// The pictures for which there are figures: name and text of each.
pub(super) fn all(directory: &Path) -> Result<Vec<(&'static str, String)>> {
    let measured = Measured::new(directory);
    let bars = [
        ("mix", mix(&measured)?),
        ("triggers", triggers(&measured)?),
        ("throughput", throughput(&measured)?),
        ("single-run", single_run(&measured)?),
        ("shapes", shapes(&measured)?),
        ("calls", calls(&measured)?),
        ("sleepers", sleepers(&measured)?),
        ("late", late(&measured)?),
        ("reads", reads(&measured)?),
        ("growth-rate", growth_rate(&measured)?),
        ("growth-file", growth_file(&measured)?),
        ("starts", starts(&measured)?),
    ];
    let mut pictures = Vec::new();
    for (name, bars) in bars {
        // One without a single value has not been measured.
        if bars
            .series
            .iter()
            .any(|(_, values)| values.iter().any(Option::is_some))
        {
            pictures.push((name, bars.draw()?));
        }
    }
    let rows = measured.newest_all("retention", |_| true)?;
    if !rows.is_empty() {
        pictures.push(("retention", retention(&rows).draw()?));
    }
    Ok(pictures)
}

fn aim(label: &str, value: f64, category: Option<usize>) -> Line {
    Line {
        label: format!("aim: {label}"),
        value,
        category,
    }
}

fn mix(measured: &Measured) -> Result<Bars> {
    let mut values = Vec::new();
    for users in [1_000.0, 10_000.0] {
        let row = measured.newest("mix", |row| embedded(row) && is(row, "users", users))?;
        values.push(in_column(&row, "per_second"));
    }
    Ok(Bars {
        title: "The everyday mix of many users at once".to_owned(),
        unit: "requests a second".to_owned(),
        categories: vec!["1,000 users".to_owned(), "10,000 users".to_owned()],
        series: vec![("requests".to_owned(), values)],
        aims: vec![
            aim(&number(MIX_1000_PER_SECOND), MIX_1000_PER_SECOND, Some(0)),
            aim(&number(MIX_10000_PER_SECOND), MIX_10000_PER_SECOND, Some(1)),
        ],
    })
}

fn triggers(measured: &Measured) -> Result<Bars> {
    const CONNECTIONS: [f64; 4] = [1.0, 64.0, 1_000.0, 10_000.0];
    let of = |server: &str| -> Result<Vec<Option<f64>>> {
        CONNECTIONS
            .into_iter()
            .map(|connections| {
                let row = measured.newest("triggers", |row| {
                    embedded(row)
                        && row.text("rate").is_empty()
                        && is(row, "rows.steps", 0.0)
                        && is(row, "rows.connections", connections)
                        && row.text("rows.server") == server
                })?;
                Ok(in_column(&row, "rows.per_second"))
            })
            .collect()
    };
    let (ours, null) = (of("millwork")?, of("null")?);
    let half = null[2].map(|null| aim("half", null / 2.0, Some(2)));
    Ok(Bars {
        title: "Triggers, each made durable and its run carried out, beside a handler that does nothing".to_owned(),
        unit: "answers a second".to_owned(),
        categories: CONNECTIONS.map(|connections| format!("{} connections", number(connections))).to_vec(),
        series: vec![("Millwork".to_owned(), ours), ("handler that does nothing".to_owned(), null)],
        aims: half.into_iter().collect(),
    })
}

fn throughput(measured: &Measured) -> Result<Bars> {
    const STEPS: [f64; 3] = [1.0, 3.0, 9.0];
    let of = |alone: bool| -> Result<Vec<Option<f64>>> {
        STEPS
            .into_iter()
            .map(|steps| {
                let row = measured.newest("throughput", |row| {
                    embedded(row) == alone && is(row, "steps", steps)
                })?;
                Ok(in_column(&row, "runs_per_second"))
            })
            .collect()
    };
    Ok(Bars {
        title: "Completed runs, client, server and database on two cores".to_owned(),
        unit: "runs a second".to_owned(),
        categories: ["1 step", "3 steps", "9 steps"].map(str::to_owned).to_vec(),
        series: vec![
            ("SQLite".to_owned(), of(true)?),
            ("PostgreSQL and Kafka".to_owned(), of(false)?),
        ],
        aims: vec![aim(&number(RUNS_PER_SECOND), RUNS_PER_SECOND, Some(1))],
    })
}

fn single_run(measured: &Measured) -> Result<Bars> {
    let row = measured.newest("throughput", |row| embedded(row) && is(row, "steps", 3.0))?;
    let of = |p: &str| {
        let columns = ["single_run_kept_alive", "single_run_new_connection"];
        columns
            .map(|column| in_column(&row, &format!("{column}.{p}")))
            .to_vec()
    };
    Ok(Bars {
        title: "One three-step run on an idle server, from the trigger to its result".to_owned(),
        unit: "milliseconds".to_owned(),
        categories: vec!["kept alive".to_owned(), "new connection each".to_owned()],
        series: vec![
            ("median".to_owned(), of("p50_ms")),
            ("p99".to_owned(), of("p99_ms")),
        ],
        aims: vec![
            aim(&format!("median {SINGLE_P50_MS}"), SINGLE_P50_MS, None),
            aim(&format!("p99 {SINGLE_P99_MS}"), SINGLE_P99_MS, None),
        ],
    })
}

fn shapes(measured: &Measured) -> Result<Bars> {
    let rows = measured.newest_all("shapes", embedded)?;
    let short = |row: &Row| {
        row.text("shapes.shape")
            .replace("beside each other", "beside")
            .replace("foreach over", "each of")
    };
    Ok(Bars {
        title:
            "Runs that are long, wide or repeat themselves: the median, shared out to their steps"
                .to_owned(),
        unit: "microseconds a step".to_owned(),
        categories: rows.iter().map(short).collect(),
        series: vec![(
            "a step".to_owned(),
            rows.iter()
                .map(|row| row.number("shapes.step_us"))
                .collect(),
        )],
        aims: Vec::new(),
    })
}

fn calls(measured: &Measured) -> Result<Bars> {
    let row = measured.newest("calls", |_| true)?;
    let columns = ["bare_us", "call_us"];
    let bare = in_column(&row, "bare_us").unwrap_or_default();
    Ok(Bars {
        title: "One plugin call in a fresh sandbox, beside the component on its engine alone"
            .to_owned(),
        unit: "microseconds".to_owned(),
        categories: vec!["component alone".to_owned(), "in the sandbox".to_owned()],
        series: vec![(
            "a call".to_owned(),
            columns.map(|column| in_column(&row, column)).to_vec(),
        )],
        aims: vec![aim(
            &format!("{CALL_TIMES_BARE} times"),
            bare * CALL_TIMES_BARE,
            Some(1),
        )],
    })
}

/// The newest measurement of so many sleepers, spread or all due at once.
fn asleep(measured: &Measured, runs: f64, at_once: bool) -> Result<Option<Row>> {
    measured.newest("sleepers", |row| {
        is(row, "runs", runs) && is(row, "spread_seconds", 0.0) == at_once
    })
}

const SLEEPERS: [f64; 3] = [10_000.0, 100_000.0, 1_000_000.0];

fn sleepers(measured: &Measured) -> Result<Bars> {
    let of = |at_once: bool| -> Result<Vec<Option<f64>>> {
        SLEEPERS
            .into_iter()
            .map(|runs| {
                Ok(in_column(
                    &asleep(measured, runs, at_once)?,
                    "bytes_per_sleeper",
                ))
            })
            .collect()
    };
    Ok(Bars {
        title: "Memory that each sleeping run adds".to_owned(),
        unit: "bytes".to_owned(),
        categories: SLEEPERS
            .map(|runs| format!("{} asleep", number(runs)))
            .to_vec(),
        series: vec![
            ("due over a minute".to_owned(), of(false)?),
            ("due at once".to_owned(), of(true)?),
        ],
        aims: vec![aim(&number(SLEEPER_BYTES), SLEEPER_BYTES, None)],
    })
}

fn late(measured: &Measured) -> Result<Bars> {
    let of = |column: &str| -> Result<Vec<Option<f64>>> {
        SLEEPERS
            .into_iter()
            .map(|runs| Ok(in_column(&asleep(measured, runs, false)?, column)))
            .collect()
    };
    Ok(Bars {
        title: "How late sleeping runs wake, their times spread over a minute".to_owned(),
        unit: "milliseconds".to_owned(),
        categories: SLEEPERS
            .map(|runs| format!("{} asleep", number(runs)))
            .to_vec(),
        series: vec![
            ("median".to_owned(), of("late_by.p50_ms")?),
            ("p99".to_owned(), of("late_by.p99_ms")?),
        ],
        aims: vec![aim(
            &format!("p99 {}", number(LATE_P99_MS)),
            LATE_P99_MS,
            None,
        )],
    })
}

fn reads(measured: &Measured) -> Result<Bars> {
    let rows = measured.newest_all("reads", embedded)?;
    let runs = rows
        .first()
        .and_then(|row| row.number("runs"))
        .map(number)
        .unwrap_or_default();
    let values = |column: &str| rows.iter().map(|row| row.number(column)).collect();
    let short = |row: &Row| {
        row.text("rows.read")
            .replace("the newest ", "newest ")
            .replace("50 of a workflow with few", "50 of a workflow")
            .replace("those that failed: none", "failed (none)")
            .replace("counts by status", "counts")
    };
    Ok(Bars {
        title: format!("Reads on a store with 300 and with {runs} finished runs"),
        unit: "reads a second".to_owned(),
        categories: rows.iter().map(short).collect(),
        series: vec![
            ("300".to_owned(), values("rows.few_per_second")),
            (runs, values("rows.many_per_second")),
        ],
        aims: Vec::new(),
    })
}

fn growth(measured: &Measured, title: &str, unit: &str, columns: &[(&str, &str)]) -> Result<Bars> {
    let rows = measured.newest_all("growth", |_| true)?;
    let stored = |row: &Row| {
        let stored = row.number("rows.stored").unwrap_or_default();
        format!("{} stored", number(stored))
    };
    let values = |(name, column): &(&str, &str)| {
        (
            (*name).to_owned(),
            rows.iter().map(|row| row.number(column)).collect(),
        )
    };
    Ok(Bars {
        title: title.to_owned(),
        unit: unit.to_owned(),
        categories: rows.iter().map(stored).collect(),
        series: columns.iter().map(values).collect(),
        aims: Vec::new(),
    })
}

fn growth_rate(measured: &Measured) -> Result<Bars> {
    let title = "Runs and reads as the store grows";
    let columns = [
        ("three-step runs", "rows.runs_per_second"),
        ("newest 50", "rows.pages_per_second"),
        ("50 from the middle", "rows.middle_pages_per_second"),
        ("a run", "rows.reads_per_second"),
    ];
    growth(measured, title, "a second", &columns)
}

fn growth_file(measured: &Measured) -> Result<Bars> {
    growth(
        measured,
        "The database's file as the store grows",
        "MiB",
        &[("file", "rows.file_mib")],
    )
}

fn starts(measured: &Measured) -> Result<Bars> {
    let row = measured.newest("starts", |_| true)?;
    let columns = ["later_starts.p50_ms", "later_starts.max_ms"];
    Ok(Bars {
        title: "From the start of the process until it is ready, plugins compiled".to_owned(),
        unit: "milliseconds".to_owned(),
        categories: vec!["median".to_owned(), "longest".to_owned()],
        series: vec![(
            "a start".to_owned(),
            columns.map(|column| in_column(&row, column)).to_vec(),
        )],
        aims: vec![aim(&number(START_MS), START_MS, None)],
    })
}

fn retention(rows: &[Row]) -> Course {
    let kept = rows.first().and_then(|row| row.number("kept_seconds"));
    let points = |column: &str| {
        let point = |row: &Row| Some((row.number("rows.at_seconds")?, row.number(column)?));
        rows.iter().filter_map(point).collect()
    };
    Course {
        title: format!(
            "Finished runs under steady load, kept for {} seconds and removed once a minute",
            kept.map(number).unwrap_or_default()
        ),
        unit: "runs".to_owned(),
        series: vec![
            ("written".to_owned(), points("rows.written")),
            ("there".to_owned(), points("rows.present")),
            ("removed".to_owned(), points("rows.removed")),
        ],
    }
}

//! Lists of runs: by time of creation, and by when they have something to do.
//!
//! A list is read along an index that is in its order, so a page costs a page however many runs there are. Where several
//! states are asked for, each is a **lane** of its own in the index; the lanes are merged here.

use std::cmp::Reverse;

use millwork_core::id::WorkflowId;
use millwork_core::run::{RunStatus, Summary};
use millwork_core::time::Timestamp;
use rusqlite::{Connection, Result, Row, ToSql, params};

use super::{columns, journal};
use crate::{Due, Order, RunQuery, RunRow};

const DUE: &str = "SELECT due_at, id FROM runs INDEXED BY runs_due
    WHERE (due_at, id) > (?1, ?2) AND due_at < ?3 ORDER BY due_at, id LIMIT ?4";

/// Lists the runs that have something to do before a time, soonest first.
pub(super) fn due(
    connection: &Connection,
    after: Option<Due>,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<Due>> {
    // No run is due before the epoch, so this comes before them all.
    let (at, run) = after.map_or((-1, [0; 16]), |after| {
        (after.at.as_micros(), *after.run.as_bytes())
    });
    connection
        .prepare_cached(DUE)?
        .query_map(
            params![at, run, before.as_micros(), columns::limit(limit)],
            |row| {
                Ok(Due {
                    at: columns::time(row, 0)?,
                    run: columns::run_id(row, 1)?,
                })
            },
        )?
        .collect()
}

/// Lists runs by time of creation.
pub(super) fn runs(connection: &Connection, query: &RunQuery) -> Result<Vec<RunRow>> {
    // Several reads, of one moment.
    let moment = connection.unchecked_transaction()?;
    let mut rows = Vec::new();
    for lane in lanes(query) {
        rows.extend(read_lane(&moment, lane, query)?);
    }
    match query.order {
        Order::NewestFirst => rows.sort_unstable_by_key(|row| Reverse(row.run)),
        Order::OldestFirst => rows.sort_unstable_by_key(|row| row.run),
    }
    rows.truncate(query.limit);
    // The first records may be large: they are read only for the rows that made it into the list.
    for row in &mut rows {
        row.first_record = journal::load_first(&moment, row.run)?;
    }
    Ok(rows)
}

/// One stretch of an index that holds part of the answer in the order of the list.
#[derive(Clone, Copy)]
struct Lane {
    index: &'static str,
    status: Option<RunStatus>,
}

fn lanes(query: &RunQuery) -> Vec<Lane> {
    if !query.labels.is_empty() {
        // Along the label, whatever the states: the runs of one are few beside all.
        return vec![Lane {
            index: "",
            status: None,
        }];
    }
    if query.statuses.is_empty() {
        let index = if query.workflow.is_some() {
            "INDEXED BY runs_by_workflow"
        } else {
            "NOT INDEXED"
        };
        return vec![Lane {
            index,
            status: None,
        }];
    }
    let asked = RunStatus::ALL
        .into_iter()
        .filter(|status| query.statuses.contains(status));
    asked
        .map(|status| Lane {
            index: index_for(status, query.workflow.is_some()),
            status: Some(status),
        })
        .collect()
}

fn index_for(status: RunStatus, of_a_workflow: bool) -> &'static str {
    if !of_a_workflow {
        return "INDEXED BY runs_by_status";
    }
    match status {
        RunStatus::Failed | RunStatus::Paused | RunStatus::Cancelled => {
            "INDEXED BY runs_in_trouble"
        }
        // There is no index of these by workflow, which would have to be moved in each run's life. Runs under way are few
        // beside all that ever were, and most runs of a workflow end well.
        RunStatus::Pending | RunStatus::Running => "INDEXED BY runs_by_status",
        RunStatus::Success => "INDEXED BY runs_by_workflow",
    }
}

fn read_lane(connection: &Connection, lane: Lane, query: &RunQuery) -> Result<Vec<RunRow>> {
    let Some((first, last)) = query.id_range() else {
        return Ok(Vec::new());
    };
    let created_from = query.created_from.map_or(i64::MIN, Timestamp::as_micros);
    // The first time that is too late; nothing is as late as the last.
    let created_before = query.created_before.map_or(i64::MAX, Timestamp::as_micros);
    let (first, last) = (first.to_be_bytes(), last.to_be_bytes());
    let workflow = query.workflow.as_ref().map(WorkflowId::as_bytes);
    let limit = columns::limit(query.limit);
    let mut values: Vec<&dyn ToSql> = vec![
        &first,
        &last,
        &created_from,
        &created_before,
        &workflow,
        &limit,
    ];
    for (name, value) in &query.labels {
        values.extend([name as &dyn ToSql, value]);
    }
    connection
        .prepare_cached(&statement(lane, query))?
        .query_map(&*values, read_row)?
        .collect()
}

fn statement(lane: Lane, query: &RunQuery) -> String {
    // A word of ours and not a parameter, since SQLite must see that the index of some words holds this one.
    let status = lane
        .status
        .map_or_else(String::new, |status| format!("AND status = '{status}'"));
    let workflow = if query.workflow.is_some() {
        "workflow = ?5"
    } else {
        "?5 IS NULL"
    };
    let direction = match query.order {
        Order::NewestFirst => "DESC",
        Order::OldestFirst => "ASC",
    };
    if !query.labels.is_empty() {
        return labelled(query, workflow, direction);
    }
    format!(
        "SELECT id, workflow, version, created_at, status, started_at, completed_at, error, due_at FROM runs {index}
         WHERE {workflow} {status} AND id BETWEEN ?1 AND ?2
         AND created_at >= ?3 AND created_at < ?4 ORDER BY id {direction} LIMIT ?6",
        index = lane.index,
    )
}

/// The statement of a list of runs with some labels: read along the first, and each run looked up.
fn labelled(query: &RunQuery, workflow: &str, direction: &str) -> String {
    let statuses = RunStatus::ALL
        .into_iter()
        .filter(|status| query.statuses.contains(status));
    let statuses: Vec<_> = statuses.map(|status| format!("'{status}'")).collect();
    let status = match statuses.is_empty() {
        true => String::new(),
        false => format!("AND status IN ({})", statuses.join(", ")),
    };
    let others = (0..query.labels.len()).skip(1).map(|place| {
        let (name, value) = (7 + 2 * place, 8 + 2 * place);
        format!(
            "AND EXISTS (SELECT 1 FROM run_labels o WHERE o.run = l.run AND o.name = ?{name} AND o.value = ?{value}) "
        )
    });
    // A cross join is made in the order in which it is written.
    format!(
        "SELECT id, workflow, version, created_at, status, started_at, completed_at, error, due_at
         FROM run_labels l INDEXED BY run_labels_by_value CROSS JOIN runs ON runs.id = l.run
         WHERE l.name = ?7 AND l.value = ?8 AND l.run BETWEEN ?1 AND ?2 AND {workflow} {status} {others}
         AND created_at >= ?3 AND created_at < ?4 ORDER BY l.run {direction} LIMIT ?6",
        others = others.collect::<String>(),
    )
}

/// Reads all of a row but its first record.
fn read_row(row: &Row<'_>) -> Result<RunRow> {
    Ok(RunRow {
        run: columns::run_id(row, 0)?,
        workflow: columns::workflow_id(row, 1)?,
        version: row.get(2)?,
        created_at: columns::time(row, 3)?,
        summary: Summary {
            status: columns::status(row, 4)?,
            started_at: columns::optional_time(row, 5)?,
            completed_at: columns::optional_time(row, 6)?,
            error: row.get(7)?,
        },
        due_at: columns::optional_time(row, 8)?,
        first_record: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::{counts, migrate};

    /// How SQLite would carry out the statement.
    fn plan(connection: &Connection, sql: &str) -> String {
        let mut explain = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let count = explain.parameter_count();
        let nothing = std::iter::repeat_n(rusqlite::types::Null, count);
        let steps = explain.query_map(rusqlite::params_from_iter(nothing), |row| {
            row.get::<_, String>(3)
        });
        steps
            .unwrap()
            .collect::<Result<Vec<_>>>()
            .unwrap()
            .join("; ")
    }

    #[test]
    fn every_list_is_read_along_an_index_in_its_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::run(&mut connection, migrate::MIGRATIONS).unwrap();
        let mut query = RunQuery {
            workflow: None,
            statuses: Vec::new(),
            labels: Vec::new(),
            created_from: None,
            created_before: None,
            after: None,
            order: Order::NewestFirst,
            limit: 50,
        };
        for order in [Order::NewestFirst, Order::OldestFirst] {
            for workflow in [None, Some(WorkflowId::from_bytes([1; 16]))] {
                for (statuses, labels) in [
                    (Vec::new(), 0),
                    (RunStatus::ALL.to_vec(), 0),
                    (Vec::new(), 1),
                    (RunStatus::ALL.to_vec(), 3),
                ] {
                    let label = |n: usize| (format!("name{n}"), "value".to_owned());
                    query = RunQuery {
                        order,
                        workflow,
                        statuses,
                        labels: (0..labels).map(label).collect(),
                        ..query
                    };
                    let along = match labels {
                        0 => "SEARCH runs USING ",
                        _ => "SEARCH l USING COVERING INDEX run_labels_by_value",
                    };
                    for lane in lanes(&query) {
                        let plan = plan(&connection, &statement(lane, &query));
                        assert!(
                            plan.starts_with(along)
                                && !plan.contains("TEMP B-TREE")
                                && !plan.contains("SCAN"),
                            "{plan}"
                        );
                    }
                }
            }
        }
        for of_a_workflow in [false, true] {
            let over_time = plan(&connection, &counts::over_time_statement(of_a_workflow));
            assert!(over_time.contains("SEARCH runs USING "), "{over_time}");
            assert!(!over_time.contains("ORDER BY"), "{over_time}");
        }
        let due = plan(&connection, DUE);
        assert!(
            due.starts_with("SEARCH runs USING COVERING INDEX runs_due") && !due.contains("TEMP"),
            "{due}"
        );
    }
}

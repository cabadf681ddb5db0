//! Limits: lays on the desk what a commit can touch, and writes back what was decided. Only commits that ask something of
//! limits come here.

use std::collections::BTreeSet;
use std::time::Duration;

use millwork_core::id::{RunId, WorkflowId};
use millwork_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::columns;
use crate::limits::desk::{Answer, Changes, Desk};
use crate::limits::records::{Admission, Counter};
use crate::limits::{LimitKey, LimitKind, LimitQuery, LimitRow, Passage, Turn};
use crate::{Due, limits};

/// Decides what a commit asked of the limits of its run, and writes it down, but for the commit itself and the rows of those
/// whose turn has come: see [`wake`].
pub(super) fn pass(
    connection: &Connection,
    run: RunId,
    passage: &Passage,
    woken: &mut Vec<Due>,
) -> Result<(Answer, Changes)> {
    let mut desk = Desk::default();
    lay_out(connection, &mut desk, run, passage)?;
    let answer = desk.pass(run, passage, woken);
    let changes = desk.take_changes();
    write(connection, &changes)?;
    Ok((answer, changes))
}

/// Makes the rows of runs whose turn comes due then, at the latest.
pub(super) fn wake(connection: &Connection, changes: &Changes) -> Result<()> {
    let mut wake = connection
        .prepare_cached("UPDATE runs SET due_at = min(coalesce(due_at, ?2), ?2) WHERE id = ?1")?;
    for (run, at) in &changes.woken {
        wake.execute(params![run.as_bytes(), at.as_micros()])?;
    }
    Ok(())
}

fn lay_out(connection: &Connection, desk: &mut Desk, run: RunId, passage: &Passage) -> Result<()> {
    let admission = find_admission(connection, run)?;
    let mut keys: BTreeSet<LimitKey> = passage.keys().collect();
    keys.extend(admission.iter().flat_map(Admission::keys));
    if let Some(admission) = admission {
        desk.lay_admission(run, admission);
    }
    let (slots, mut rates): (BTreeSet<_>, BTreeSet<_>) = keys
        .into_iter()
        .partition(|key| key.kind == LimitKind::Concurrency);
    // Who comes off a queue for a slot goes on to the queue of its own rate.
    let mut asking = 1;
    for key in slots {
        let Some(counter) = find_counter(connection, &key)? else {
            continue;
        };
        let heads = counter.slot_heads(passage.limit(key.kind), 1);
        desk.lay_counter(key.clone(), counter);
        for (run, admission) in list_heads(connection, &key, heads)? {
            asking += 1;
            rates.extend(admission.keys().filter(|key| key.kind == LimitKind::Rate));
            desk.lay_admission(run, admission);
        }
    }
    for key in rates {
        let Some(counter) = find_counter(connection, &key)? else {
            continue;
        };
        let heads = counter.rate_heads(asking);
        let (first, count) = counter.starts(passage.limit(key.kind), asking);
        for (number, at) in list_starts(connection, &key, first, count)? {
            desk.lay_start(key.clone(), number, at);
        }
        desk.lay_counter(key.clone(), counter);
        for (run, admission) in list_heads(connection, &key, heads)? {
            desk.lay_admission(run, admission);
        }
    }
    Ok(())
}

const ADMISSION: &str = "workflow, slot, rate, priority, since, stage";

fn read_admission(row: &Row<'_>, first: usize) -> Result<Admission> {
    Ok(Admission {
        workflow: columns::workflow_id(row, first)?,
        slot: row.get(first + 1)?,
        rate: row.get(first + 2)?,
        priority: row.get(first + 3)?,
        since: columns::time(row, first + 4)?,
        stage: columns::word(row, first + 5)?,
    })
}

fn find_admission(connection: &Connection, run: RunId) -> Result<Option<Admission>> {
    connection
        .prepare_cached(&format!(
            "SELECT {ADMISSION} FROM admissions WHERE run = ?1"
        ))?
        .query_row([run.as_bytes()], |row| read_admission(row, 0))
        .optional()
}

/// The first of those who wait for a key.
fn list_heads(
    connection: &Connection,
    key: &LimitKey,
    limit: usize,
) -> Result<Vec<(RunId, Admission)>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let (index, which) = queue(key.kind);
    connection
        .prepare_cached(&format!(
            "SELECT run, {ADMISSION} FROM admissions INDEXED BY {index} WHERE {which}
             ORDER BY priority, since, run LIMIT ?3"
        ))?
        .query_map(
            params![key.workflow.as_bytes(), key.key, columns::limit(limit)],
            |row| Ok((columns::run_id(row, 0)?, read_admission(row, 1)?)),
        )?
        .collect()
}

/// The index of a kind's queues, and the condition for one of them.
const fn queue(kind: LimitKind) -> (&'static str, &'static str) {
    match kind {
        LimitKind::Concurrency => (
            "admissions_by_slot_turn",
            "workflow = ?1 AND slot = ?2 AND stage = 'awaits-slot'",
        ),
        LimitKind::Rate => (
            "admissions_by_rate_turn",
            "workflow = ?1 AND rate = ?2 AND stage = 'awaits-rate'",
        ),
    }
}

const COUNTER: &str = "capacity, span, version, held, waiting, started, idle_at";

fn read_counter(row: &Row<'_>, first: usize) -> Result<Counter> {
    let span: Option<i64> = row.get(first + 1)?;
    let started: i64 = row.get(first + 5)?;
    Ok(Counter {
        limit: row.get(first)?,
        per: span.map(|micros| Duration::from_micros(micros.unsigned_abs())),
        version: row.get(first + 2)?,
        held: row.get(first + 3)?,
        waiting: row.get(first + 4)?,
        started: started.unsigned_abs(),
        idle_at: columns::optional_time(row, first + 6)?,
    })
}

fn find_counter(connection: &Connection, key: &LimitKey) -> Result<Option<Counter>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COUNTER} FROM limits WHERE workflow = ?1 AND kind = ?2 AND key = ?3"
        ))?
        .query_row(
            params![key.workflow.as_bytes(), key.kind.as_str(), key.key],
            |row| read_counter(row, 0),
        )
        .optional()
}

fn list_starts(
    connection: &Connection,
    key: &LimitKey,
    first: u64,
    count: usize,
) -> Result<Vec<(u64, Timestamp)>> {
    connection
        .prepare_cached(
            "SELECT number, at FROM limit_starts WHERE workflow = ?1 AND key = ?2 AND number >= ?3
             ORDER BY number LIMIT ?4",
        )?
        .query_map(
            params![
                key.workflow.as_bytes(),
                key.key,
                columns::number(first),
                columns::limit(count)
            ],
            |row| {
                let number: i64 = row.get(0)?;
                Ok((number.unsigned_abs(), columns::time(row, 1)?))
            },
        )?
        .collect()
}

fn write(connection: &Connection, changes: &Changes) -> Result<()> {
    for (key, counter) in &changes.counters {
        write_counter(connection, key, counter.as_ref())?;
    }
    for (run, admission) in &changes.admissions {
        write_admission(connection, *run, admission.as_ref())?;
    }
    for ((key, number), at) in &changes.starts {
        connection
            .prepare_cached(
                "INSERT INTO limit_starts (workflow, key, number, at) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                key.workflow.as_bytes(),
                key.key,
                columns::number(*number),
                at.as_micros()
            ])?;
    }
    for (key, last) in &changes.trims {
        connection
            .prepare_cached(
                "DELETE FROM limit_starts WHERE workflow = ?1 AND key = ?2 AND number <= ?3",
            )?
            .execute(params![
                key.workflow.as_bytes(),
                key.key,
                columns::number(*last)
            ])?;
    }
    Ok(())
}

fn write_counter(connection: &Connection, key: &LimitKey, counter: Option<&Counter>) -> Result<()> {
    let (workflow, kind) = (key.workflow.as_bytes(), key.kind.as_str());
    let Some(counter) = counter else {
        connection
            .prepare_cached("DELETE FROM limits WHERE workflow = ?1 AND kind = ?2 AND key = ?3")?
            .execute(params![workflow, kind, key.key])?;
        return Ok(());
    };
    connection
        .prepare_cached(
            "INSERT INTO limits (workflow, kind, key, capacity, span, version, held, waiting, started, idle_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (workflow, kind, key) DO UPDATE
             SET capacity = excluded.capacity, span = excluded.span, version = excluded.version, held = excluded.held,
                 waiting = excluded.waiting, started = excluded.started, idle_at = excluded.idle_at",
        )?
        .execute(params![
            workflow,
            kind,
            key.key,
            counter.limit,
            counter.per.map(limits::micros),
            counter.version,
            counter.held,
            counter.waiting,
            columns::number(counter.started),
            counter.idle_at.map(Timestamp::as_micros)
        ])?;
    Ok(())
}

fn write_admission(
    connection: &Connection,
    run: RunId,
    admission: Option<&Admission>,
) -> Result<()> {
    let Some(admission) = admission else {
        connection
            .prepare_cached("DELETE FROM admissions WHERE run = ?1")?
            .execute([run.as_bytes()])?;
        return Ok(());
    };
    connection
        .prepare_cached(
            "INSERT INTO admissions (run, workflow, slot, rate, priority, since, stage)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (run) DO UPDATE SET stage = excluded.stage",
        )?
        .execute(params![
            run.as_bytes(),
            admission.workflow.as_bytes(),
            admission.slot,
            admission.rate,
            admission.priority,
            admission.since.as_micros(),
            admission.stage.as_str()
        ])?;
    Ok(())
}

/// When a rate lets the next run begin, where it looks back at a start.
fn next_at(
    connection: &Connection,
    key: &LimitKey,
    counter: &Counter,
) -> Result<Option<Timestamp>> {
    let (Some(number), Some(per)) = (counter.looks_back_to(), counter.per) else {
        return Ok(None);
    };
    let starts = list_starts(connection, key, number, 1)?;
    let found = starts.first().filter(|(found, _)| *found == number);
    Ok(found.map(|(_, at)| at.after(per)))
}

/// Lists limits in the order of their keys.
pub(super) fn list(connection: &Connection, query: &LimitQuery) -> Result<Vec<LimitRow>> {
    let after = query.after.as_ref();
    let mut rows: Vec<(LimitKey, Counter)> = connection
        .prepare_cached(&format!(
            "SELECT workflow, kind, key, {COUNTER} FROM limits
             WHERE (?1 IS NULL OR workflow = ?1) AND (?2 IS NULL OR (workflow, kind, key) > (?2, ?3, ?4))
             ORDER BY workflow, kind, key LIMIT ?5"
        ))?
        .query_map(
            params![
                query.workflow.as_ref().map(|workflow| workflow.as_bytes().as_slice()),
                after.map(|after| after.workflow.as_bytes().as_slice()),
                after.map(|after| after.kind.as_str()),
                after.map(|after| &after.key),
                columns::limit(query.limit)
            ],
            |row| {
                let key = LimitKey {
                    workflow: columns::workflow_id(row, 0)?,
                    kind: columns::word(row, 1)?,
                    key: row.get(2)?,
                };
                Ok((key, read_counter(row, 3)?))
            },
        )?
        .collect::<Result<_>>()?;
    rows.drain(..)
        .map(|(key, counter)| {
            let next_at = next_at(connection, &key, &counter)?;
            Ok(counter.row(key, next_at))
        })
        .collect()
}

/// Finds what a run waits for.
pub(super) fn find_turn(connection: &Connection, run: RunId) -> Result<Option<Turn>> {
    let moment = connection.unchecked_transaction()?;
    let Some(admission) = find_admission(&moment, run)? else {
        return Ok(None);
    };
    let Some(key) = admission.queue() else {
        return Ok(None);
    };
    let Some(counter) = find_counter(&moment, &key)? else {
        return Ok(None);
    };
    let (index, which) = queue(key.kind);
    let position = moment
        .prepare_cached(&format!(
            "SELECT count(*) FROM admissions INDEXED BY {index} WHERE {which}
             AND (priority, since, run) <= (?3, ?4, ?5)"
        ))?
        .query_row(
            params![
                key.workflow.as_bytes(),
                key.key,
                admission.priority,
                admission.since.as_micros(),
                run.as_bytes()
            ],
            |row| row.get(0),
        )?;
    let next_at = next_at(&moment, &key, &counter)?;
    Ok(Some(Turn {
        limit: counter.row(key, next_at),
        position,
        since: admission.since,
        priority: admission.priority,
    }))
}

/// Lists who holds or waits for a slot, but for the newest.
pub(super) fn list_outdone(
    connection: &Connection,
    workflow: WorkflowId,
    key: &str,
    kept: u32,
    limit: usize,
) -> Result<Vec<RunId>> {
    let mut runs: Vec<RunId> = connection
        .prepare_cached(
            "SELECT run FROM admissions INDEXED BY admissions_by_slot WHERE workflow = ?1 AND slot = ?2
             ORDER BY since DESC, run DESC LIMIT -1 OFFSET ?3",
        )?
        .query_map(params![workflow.as_bytes(), key, kept], |row| {
            columns::run_id(row, 0)
        })?
        .collect::<Result<_>>()?;
    runs.reverse();
    runs.truncate(limit);
    Ok(runs)
}

/// Forgets rates whose last start is a span old, where nobody waits for them; at most so many. Returns how many.
pub(super) fn forget_idle(connection: &Connection, now: Timestamp, limit: usize) -> Result<usize> {
    let idle: Vec<(WorkflowId, String)> = connection
        .prepare_cached(
            "SELECT workflow, key FROM limits INDEXED BY limits_idle
             WHERE idle_at <= ?1 AND waiting = 0 LIMIT ?2",
        )?
        .query_map(params![now.as_micros(), columns::limit(limit)], |row| {
            Ok((columns::workflow_id(row, 0)?, row.get(1)?))
        })?
        .collect::<Result<_>>()?;
    for (workflow, key) in &idle {
        connection
            .prepare_cached("DELETE FROM limit_starts WHERE workflow = ?1 AND key = ?2")?
            .execute(params![workflow.as_bytes(), key])?;
        connection
            .prepare_cached(
                "DELETE FROM limits WHERE workflow = ?1 AND kind = 'rate' AND key = ?2",
            )?
            .execute(params![workflow.as_bytes(), key])?;
    }
    Ok(idle.len())
}

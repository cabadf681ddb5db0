//! Writing back what the limits have decided, each kind of change in one statement.

use std::collections::BTreeMap;

use millwork_core::id::RunId;
use millwork_core::time::Timestamp;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::super::{columns, text};
use super::rows::KeyColumns;
use crate::limits::desk::Changes;
use crate::limits::records::{Admission, Counter};
use crate::limits::{LimitKey, micros};

pub(super) async fn changes(connection: &mut PgConnection, changes: &Changes) -> sqlx::Result<()> {
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for (key, counter) in &changes.counters {
        match counter {
            Some(counter) => kept.push((key, counter)),
            None => gone.push(key),
        }
    }
    write_counters(connection, &kept).await?;
    remove_counters(connection, &gone).await?;
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for (run, admission) in &changes.admissions {
        match admission {
            Some(admission) => kept.push((*run, admission)),
            None => gone.push(columns::uuid(*run)),
        }
    }
    write_admissions(connection, &kept).await?;
    if !gone.is_empty() {
        sqlx::query("DELETE FROM admissions WHERE run = ANY($1)")
            .bind(gone)
            .execute(&mut *connection)
            .await?;
    }
    write_starts(connection, changes).await
}

const WRITE_COUNTERS: &str = "
    UPDATE limits SET capacity = c.capacity, span = c.span, version = c.version, held = c.held, waiting = c.waiting,
                      started = c.started, idle_at = c.idle_at
    FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                $8::bigint[], $9::bigint[], $10::timestamptz[])
        AS c (workflow, kind, key, capacity, span, version, held, waiting, started, idle_at)
    WHERE limits.workflow = c.workflow AND limits.kind = c.kind AND limits.key = c.key";

/// Their rows are there: they were locked.
async fn write_counters(
    connection: &mut PgConnection,
    kept: &[(&LimitKey, &Counter)],
) -> sqlx::Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    let KeyColumns {
        workflows,
        kinds,
        keys,
    } = KeyColumns::of(kept.iter().map(|(key, _)| *key));
    let numbers = |number: fn(&Counter) -> i64| -> Vec<i64> {
        kept.iter().map(|(_, counter)| number(counter)).collect()
    };
    let spans: Vec<Option<i64>> = kept
        .iter()
        .map(|(_, counter)| counter.per.map(micros))
        .collect();
    let idle: Vec<Option<OffsetDateTime>> = kept
        .iter()
        .map(|(_, counter)| counter.idle_at.map(columns::to_time))
        .collect();
    sqlx::query(WRITE_COUNTERS)
        .bind(workflows)
        .bind(kinds)
        .bind(keys)
        .bind(numbers(|counter| counter.limit.into()))
        .bind(spans)
        .bind(numbers(|counter| counter.version.into()))
        .bind(numbers(|counter| counter.held.into()))
        .bind(numbers(|counter| counter.waiting.into()))
        .bind(numbers(|counter| columns::number(counter.started)))
        .bind(idle)
        .execute(connection)
        .await?;
    Ok(())
}

const REMOVE_COUNTERS: &str = "
    DELETE FROM limits USING UNNEST($1::uuid[], $2::text[], $3::text[]) AS c (workflow, kind, key)
    WHERE limits.workflow = c.workflow AND limits.kind = c.kind AND limits.key = c.key";

async fn remove_counters(connection: &mut PgConnection, gone: &[&LimitKey]) -> sqlx::Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let KeyColumns {
        workflows,
        kinds,
        keys,
    } = KeyColumns::of(gone.iter().copied());
    sqlx::query(REMOVE_COUNTERS)
        .bind(workflows)
        .bind(kinds)
        .bind(keys)
        .execute(connection)
        .await?;
    Ok(())
}

const WRITE_ADMISSIONS: &str = "
    INSERT INTO admissions (run, workflow, slot, rate, priority, since, stage)
    SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::text[])
    ON CONFLICT (run) DO UPDATE SET stage = excluded.stage";

async fn write_admissions(
    connection: &mut PgConnection,
    kept: &[(RunId, &Admission)],
) -> sqlx::Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    let encode = |key: &Option<String>| key.as_deref().map(|key| text::encode(key).into_owned());
    let all = || kept.iter().map(|(_, admission)| admission);
    let runs: Vec<_> = kept.iter().map(|(run, _)| columns::uuid(*run)).collect();
    let workflows: Vec<_> = all().map(|a| columns::workflow_uuid(a.workflow)).collect();
    let slots: Vec<_> = all().map(|a| encode(&a.slot)).collect();
    let rates: Vec<_> = all().map(|a| encode(&a.rate)).collect();
    let priorities: Vec<_> = all().map(|a| i64::from(a.priority)).collect();
    let since: Vec<_> = all().map(|a| columns::to_time(a.since)).collect();
    let stages: Vec<_> = all().map(|a| a.stage.as_str()).collect();
    sqlx::query(WRITE_ADMISSIONS)
        .bind(runs)
        .bind(workflows)
        .bind(slots)
        .bind(rates)
        .bind(priorities)
        .bind(since)
        .bind(stages)
        .execute(connection)
        .await?;
    Ok(())
}

const WRITE_STARTS: &str = "
    INSERT INTO limit_starts (workflow, key, number, at)
    SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[])";

const TRIM_STARTS: &str = "
    DELETE FROM limit_starts USING UNNEST($1::uuid[], $2::text[], $3::bigint[]) AS t (workflow, key, last)
    WHERE limit_starts.workflow = t.workflow AND limit_starts.key = t.key AND limit_starts.number <= t.last";

async fn write_starts(connection: &mut PgConnection, changes: &Changes) -> sqlx::Result<()> {
    if !changes.starts.is_empty() {
        let KeyColumns {
            workflows, keys, ..
        } = KeyColumns::of(changes.starts.keys().map(|(key, _)| key));
        let numbers: Vec<_> = changes
            .starts
            .keys()
            .map(|(_, number)| columns::number(*number))
            .collect();
        let times: Vec<_> = changes
            .starts
            .values()
            .map(|at| columns::to_time(*at))
            .collect();
        sqlx::query(WRITE_STARTS)
            .bind(workflows)
            .bind(keys)
            .bind(numbers)
            .bind(times)
            .execute(&mut *connection)
            .await?;
    }
    if !changes.trims.is_empty() {
        let KeyColumns {
            workflows, keys, ..
        } = KeyColumns::of(changes.trims.keys());
        let last: Vec<_> = changes
            .trims
            .values()
            .map(|last| columns::number(*last))
            .collect();
        sqlx::query(TRIM_STARTS)
            .bind(workflows)
            .bind(keys)
            .bind(last)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

const WAKE: &str = "
    UPDATE runs SET due_at = LEAST(runs.due_at, w.at)
    FROM UNNEST($1::uuid[], $2::timestamptz[]) AS w (run, at) WHERE runs.id = w.run";

/// `LEAST` passes over what is not there.
pub(super) async fn wake(
    connection: &mut PgConnection,
    woken: &BTreeMap<RunId, (Timestamp, usize)>,
) -> sqlx::Result<()> {
    if woken.is_empty() {
        return Ok(());
    }
    let runs: Vec<_> = woken.keys().map(|run| columns::uuid(*run)).collect();
    let times: Vec<_> = woken
        .values()
        .map(|(at, _)| columns::to_time(*at))
        .collect();
    sqlx::query(WAKE)
        .bind(runs)
        .bind(times)
        .execute(connection)
        .await?;
    Ok(())
}

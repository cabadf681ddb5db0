//! Reading: the rows of limits, the queues, and the starts that rates look back at.

use std::time::Duration;

use millwork_core::id::{RunId, WorkflowId};
use millwork_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};

use super::super::{columns, text};
use crate::limits::records::{Admission, Counter};
use crate::limits::{LimitKey, LimitKind, LimitQuery, LimitRow, Turn};

/// Keys, column by column.
pub(super) struct KeyColumns {
    pub(super) workflows: Vec<uuid::Uuid>,
    pub(super) kinds: Vec<&'static str>,
    pub(super) keys: Vec<String>,
}

impl KeyColumns {
    pub(super) fn of<'k>(keys: impl Iterator<Item = &'k LimitKey>) -> Self {
        let mut all = Self {
            workflows: Vec::new(),
            kinds: Vec::new(),
            keys: Vec::new(),
        };
        for key in keys {
            all.workflows.push(columns::workflow_uuid(key.workflow));
            all.kinds.push(key.kind.as_str());
            all.keys.push(text::encode(&key.key).into_owned());
        }
        all
    }
}

fn read_key(row: &PgRow) -> sqlx::Result<LimitKey> {
    Ok(LimitKey {
        workflow: columns::workflow_id(row, 0)?,
        kind: columns::word(row, 1)?,
        key: columns::text(row, 2)?,
    })
}

fn small(row: &PgRow, index: usize) -> sqlx::Result<u32> {
    let number: i64 = row.try_get(index)?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

fn read_counter(row: &PgRow, first: usize) -> sqlx::Result<Counter> {
    let span: Option<i64> = row.try_get(first + 1)?;
    let started: i64 = row.try_get(first + 5)?;
    Ok(Counter {
        limit: small(row, first)?,
        per: span.map(|micros| Duration::from_micros(micros.unsigned_abs())),
        version: small(row, first + 2)?,
        held: small(row, first + 3)?,
        waiting: small(row, first + 4)?,
        started: started.unsigned_abs(),
        idle_at: columns::optional_time(row, first + 6)?,
    })
}

/// Every key is taken in the same way, whether its row is there or has to be made: so the order is one.
const LOCK: &str = "
    INSERT INTO limits (workflow, kind, key, capacity, version, held, waiting, started)
    SELECT k.workflow, k.kind, k.key, 0, 0, 0, 0, 0
    FROM UNNEST($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS k (workflow, kind, key, place) ORDER BY k.place
    ON CONFLICT (workflow, kind, key) DO UPDATE SET held = limits.held
    RETURNING workflow, kind, key, capacity, span, version, held, waiting, started, idle_at, xmax = 0";

/// Locks the rows of keys, in the order in which they are given. Those that were not there are made, and are named apart.
pub(super) async fn lock(
    connection: &mut PgConnection,
    keys: &[LimitKey],
    made: &mut Vec<LimitKey>,
) -> sqlx::Result<Vec<(LimitKey, Counter)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let KeyColumns {
        workflows,
        kinds,
        keys,
    } = KeyColumns::of(keys.iter());
    let rows = sqlx::query(LOCK)
        .bind(workflows)
        .bind(kinds)
        .bind(keys)
        .fetch_all(connection)
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let key = read_key(row)?;
        match row.try_get(10)? {
            true => made.push(key),
            false => found.push((key, read_counter(row, 3)?)),
        }
    }
    Ok(found)
}

fn read_admission(row: &PgRow, first: usize) -> sqlx::Result<(RunId, Admission)> {
    let admission = Admission {
        workflow: columns::workflow_id(row, first + 1)?,
        slot: columns::optional_text(row, first + 2)?,
        rate: columns::optional_text(row, first + 3)?,
        priority: u8::try_from(small(row, first + 4)?).unwrap_or(u8::MAX),
        since: columns::time(row, first + 5)?,
        stage: columns::word(row, first + 6)?,
    };
    Ok((columns::run_id(row, first)?, admission))
}

pub(super) async fn admissions(
    connection: &mut PgConnection,
    runs: &[RunId],
) -> sqlx::Result<Vec<(RunId, Admission)>> {
    let runs: Vec<_> = runs.iter().map(|run| columns::uuid(*run)).collect();
    let rows = sqlx::query(
        "SELECT run, workflow, slot, rate, priority, since, stage FROM admissions WHERE run = ANY($1)",
    )
    .bind(runs)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| read_admission(row, 0)).collect()
}

const SLOT_HEADS: &str = "
    SELECT a.* FROM UNNEST($1::uuid[], $2::text[], $3::bigint[]) AS q (workflow, key, heads)
    CROSS JOIN LATERAL (
        SELECT run, workflow, slot, rate, priority, since, stage FROM admissions
        WHERE workflow = q.workflow AND slot = q.key AND stage = 'awaits-slot'
        ORDER BY priority, since, run LIMIT q.heads
    ) AS a";

const RATE_HEADS: &str = "
    SELECT a.* FROM UNNEST($1::uuid[], $2::text[], $3::bigint[]) AS q (workflow, key, heads)
    CROSS JOIN LATERAL (
        SELECT run, workflow, slot, rate, priority, since, stage FROM admissions
        WHERE workflow = q.workflow AND rate = q.key AND stage = 'awaits-rate'
        ORDER BY priority, since, run LIMIT q.heads
    ) AS a";

/// The first of those who wait for each key.
pub(super) async fn heads(
    connection: &mut PgConnection,
    kind: LimitKind,
    asked: &[(LimitKey, usize)],
) -> sqlx::Result<Vec<(RunId, Admission)>> {
    let asked = || asked.iter().filter(|(_, heads)| *heads > 0);
    let KeyColumns {
        workflows, keys, ..
    } = KeyColumns::of(asked().map(|(key, _)| key));
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let heads: Vec<i64> = asked().map(|(_, heads)| columns::limit(*heads)).collect();
    let rows = sqlx::query(match kind {
        LimitKind::Concurrency => SLOT_HEADS,
        LimitKind::Rate => RATE_HEADS,
    })
    .bind(workflows)
    .bind(keys)
    .bind(heads)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| read_admission(row, 0)).collect()
}

const STARTS: &str = "
    SELECT q.workflow, 'rate', q.key, s.number, s.at
    FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS q (workflow, key, first, starts)
    CROSS JOIN LATERAL (
        SELECT number, at FROM limit_starts
        WHERE workflow = q.workflow AND key = q.key AND number >= q.first ORDER BY number LIMIT q.starts
    ) AS s";

/// The starts of each key from a number on, so many.
pub(super) async fn starts(
    connection: &mut PgConnection,
    asked: &[(LimitKey, u64, usize)],
) -> sqlx::Result<Vec<(LimitKey, u64, Timestamp)>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let KeyColumns {
        workflows, keys, ..
    } = KeyColumns::of(asked.iter().map(|(key, ..)| key));
    let first: Vec<i64> = asked
        .iter()
        .map(|(_, first, _)| columns::number(*first))
        .collect();
    let count: Vec<i64> = asked
        .iter()
        .map(|(.., count)| columns::limit(*count))
        .collect();
    let rows = sqlx::query(STARTS)
        .bind(workflows)
        .bind(keys)
        .bind(first)
        .bind(count)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let number: i64 = row.try_get(3)?;
            Ok((
                read_key(row)?,
                number.unsigned_abs(),
                columns::time(row, 4)?,
            ))
        })
        .collect()
}

/// Adds to each limit when a rate lets the next run begin, where it looks back at a start.
async fn with_next(
    connection: &mut PgConnection,
    found: Vec<(LimitKey, Counter)>,
) -> sqlx::Result<Vec<LimitRow>> {
    let asked = found.iter().filter_map(|(key, counter)| {
        let number = counter.looks_back_to().filter(|_| counter.per.is_some())?;
        Some((key.clone(), number, 1))
    });
    let asked: Vec<_> = asked.collect();
    let starts = starts(connection, &asked).await?;
    let row = |(key, counter): (LimitKey, Counter)| {
        let looked_at = counter.looks_back_to();
        let start = starts
            .iter()
            .find(|(of, number, _)| *of == key && Some(*number) == looked_at);
        let next_at = start.zip(counter.per).map(|((.., at), per)| at.after(per));
        counter.row(key, next_at)
    };
    Ok(found.into_iter().map(row).collect())
}

/// Lists limits in the order of their keys.
pub(in super::super) async fn list(
    pool: &PgPool,
    query: &LimitQuery,
) -> sqlx::Result<Vec<LimitRow>> {
    let after = query.after.as_ref();
    let mut moment = pool.begin().await?;
    let rows = sqlx::query(
        "SELECT workflow, kind, key, capacity, span, version, held, waiting, started, idle_at FROM limits
         WHERE ($1::uuid IS NULL OR workflow = $1)
         AND ($2::uuid IS NULL OR (workflow, kind, key) > ($2, $3, $4))
         ORDER BY workflow, kind, key LIMIT $5",
    )
    .bind(query.workflow.map(columns::workflow_uuid))
    .bind(after.map(|after| columns::workflow_uuid(after.workflow)))
    .bind(after.map(|after| after.kind.as_str()))
    .bind(after.map(|after| text::encode(&after.key)))
    .bind(columns::limit(query.limit))
    .fetch_all(&mut *moment)
    .await?;
    let found = rows
        .iter()
        .map(|row| Ok((read_key(row)?, read_counter(row, 3)?)));
    let found = found.collect::<sqlx::Result<Vec<_>>>()?;
    with_next(&mut moment, found).await
}

const POSITION: &str = "
    SELECT count(*) FROM admissions
    WHERE workflow = $1 AND CASE WHEN $6 THEN slot ELSE rate END = $2 AND stage = $7
    AND (priority, since, run) <= ($3, $4, $5)";

/// Finds what a run waits for.
pub(in super::super) async fn find_turn(pool: &PgPool, run: RunId) -> sqlx::Result<Option<Turn>> {
    let mut moment = pool.begin().await?;
    let found = admissions(&mut moment, &[run]).await?;
    let Some((_, admission)) = found.into_iter().next() else {
        return Ok(None);
    };
    let Some(key) = admission.queue() else {
        return Ok(None);
    };
    let position: i64 = sqlx::query_scalar(POSITION)
        .bind(columns::workflow_uuid(key.workflow))
        .bind(text::encode(&key.key))
        .bind(i64::from(admission.priority))
        .bind(columns::to_time(admission.since))
        .bind(columns::uuid(run))
        .bind(key.kind == LimitKind::Concurrency)
        .bind(admission.stage.as_str())
        .fetch_one(&mut *moment)
        .await?;
    let row = sqlx::query(
        "SELECT capacity, span, version, held, waiting, started, idle_at FROM limits
         WHERE workflow = $1 AND kind = $2 AND key = $3",
    )
    .bind(columns::workflow_uuid(key.workflow))
    .bind(key.kind.as_str())
    .bind(text::encode(&key.key))
    .fetch_optional(&mut *moment)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let counter = read_counter(&row, 0)?;
    let rows = with_next(&mut moment, vec![(key, counter)]).await?;
    Ok(rows.into_iter().next().map(|limit| Turn {
        limit,
        // The two reads are not of one moment: it may have come in between.
        position: u32::try_from(position.max(1)).unwrap_or(u32::MAX),
        since: admission.since,
        priority: admission.priority,
    }))
}

/// Lists who holds or waits for a slot, but for the newest.
pub(in super::super) async fn list_outdone(
    pool: &PgPool,
    workflow: WorkflowId,
    key: &str,
    kept: u32,
    limit: usize,
) -> sqlx::Result<Vec<RunId>> {
    let rows = sqlx::query(
        "SELECT run FROM (
             SELECT run, since FROM admissions WHERE workflow = $1 AND slot = $2
             ORDER BY since DESC, run DESC OFFSET $3
         ) AS outdone ORDER BY since, run LIMIT $4",
    )
    .bind(columns::workflow_uuid(workflow))
    .bind(text::encode(key))
    .bind(i64::from(kept))
    .bind(columns::limit(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| columns::run_id(row, 0)).collect()
}

/// Rates that are forgotten in one transaction.
const IDLE_MAX: i64 = 1_000;

/// Rows in use are passed over: they are not idle.
const FORGET_IDLE: &str = "
    WITH idle AS (
        SELECT workflow, kind, key FROM limits WHERE idle_at <= $1 AND waiting = 0 LIMIT $2 FOR UPDATE SKIP LOCKED
    ), forgotten AS (
        DELETE FROM limit_starts USING idle WHERE limit_starts.workflow = idle.workflow AND limit_starts.key = idle.key
    )
    DELETE FROM limits USING idle
    WHERE limits.workflow = idle.workflow AND limits.kind = idle.kind AND limits.key = idle.key";

/// Forgets rates whose last start is a span old, where nobody waits for them. Returns whether there may be more.
pub(in super::super) async fn forget_idle(pool: &PgPool, now: Timestamp) -> sqlx::Result<bool> {
    let forgotten = sqlx::query(FORGET_IDLE)
        .bind(columns::to_time(now))
        .bind(IDLE_MAX)
        .execute(pool)
        .await?;
    Ok(i64::try_from(forgotten.rows_affected()) == Ok(IDLE_MAX))
}

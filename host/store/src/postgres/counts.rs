//! How many runs are in each state.

use std::collections::HashMap;

use millwork_core::id::WorkflowId;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::columns;
use crate::counts::ALL_WORKFLOWS;
use crate::{CountsOverTime, OverTime, RunCounts};

/// The part of a statement that writes into the counts how `$changed` (rows of workflow, state before, state now) changes them, in
/// slots of the connection's own. Rows are taken in one order, since two connections may have one slot.
macro_rules! count {
    ($changed:literal) => {
        concat!(
            "counted AS (
                INSERT INTO run_counts (workflow, status, slot, runs)
                SELECT change.workflow, change.status, pg_backend_pid() % 64, sum(change.by)
                FROM ",
            $changed,
            " AS changed (workflow, before, after),
                LATERAL (VALUES
                    (changed.workflow, changed.before, -1), (changed.workflow, changed.after, 1),
                    ('00000000-0000-0000-0000-000000000000'::uuid, changed.before, -1),
                    ('00000000-0000-0000-0000-000000000000'::uuid, changed.after, 1)
                ) AS change (workflow, status, by)
                WHERE changed.before IS DISTINCT FROM changed.after AND change.status IS NOT NULL
                GROUP BY change.workflow, change.status HAVING sum(change.by) <> 0
                ORDER BY change.workflow, change.status
                ON CONFLICT (workflow, status, slot) DO UPDATE SET runs = run_counts.runs + excluded.runs
            )"
        )
    };
}

pub(super) use count;

pub(super) async fn read(pool: &PgPool, of: &[Option<WorkflowId>]) -> sqlx::Result<Vec<RunCounts>> {
    let ids = of.iter().map(|of| of.unwrap_or(ALL_WORKFLOWS));
    let ids: Vec<Uuid> = ids.map(columns::workflow_uuid).collect();
    let rows = sqlx::query(
        "SELECT workflow, status, sum(runs)::bigint FROM run_counts WHERE workflow = ANY($1) GROUP BY workflow, status",
    )
    .bind(&ids)
    .fetch_all(pool)
    .await?;
    let mut counts: HashMap<Uuid, RunCounts> = HashMap::new();
    for row in &rows {
        let runs: i64 = row.try_get(2)?;
        let counts = counts.entry(row.try_get(0)?).or_default();
        counts.add(columns::status(row, 1)?, u64::try_from(runs).unwrap_or(0));
    }
    let counts = ids.iter().map(|id| counts.get(id).copied());
    Ok(counts.map(Option::unwrap_or_default).collect())
}

/// The statement that counts the runs of a time, with `$workflow` as the condition on theirs.
macro_rules! over_time_of {
    ($workflow:literal) => {
        concat!(
            "SELECT status, stretch, count(*), min(created_at) FROM (
                 SELECT status, created_at, floor(extract(epoch FROM created_at - $3) * 1000000 / $5)::bigint AS stretch
                 FROM runs WHERE id BETWEEN $1 AND $2 AND created_at >= $3 AND created_at < $4 AND ",
            $workflow,
            " ORDER BY id DESC LIMIT $7
             ) AS looked_at GROUP BY status, stretch"
        )
    };
}

/// Along the runs in the order of their ids, all or those of a workflow; at so many and no more.
const OVER_TIME: [&str; 2] = [
    over_time_of!("$6::uuid IS NULL"),
    over_time_of!("workflow = $6"),
];

/// Counts the runs of a time by state and stretch.
pub(super) async fn over_time(pool: &PgPool, query: &OverTime) -> sqlx::Result<CountsOverTime> {
    let Some((first, last)) = query.list().id_range() else {
        return Ok(query.put_together([]));
    };
    let [of_all, of_one] = OVER_TIME;
    let statement = if query.workflow.is_some() {
        of_one
    } else {
        of_all
    };
    let rows = sqlx::query(statement)
        .bind(Uuid::from_u128(first))
        .bind(Uuid::from_u128(last))
        .bind(columns::to_time(query.from))
        .bind(columns::to_time(query.before))
        .bind(query.stretch_micros())
        .bind(query.workflow.map(columns::workflow_uuid))
        .bind(columns::limit(query.runs_max))
        .fetch_all(pool)
        .await?;
    let counted = rows.iter().map(|row| {
        let count = u64::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0);
        let first = columns::time(row, 3)?;
        Ok((columns::status(row, 0)?, row.try_get(1)?, count, first))
    });
    let counted: Vec<_> = counted.collect::<sqlx::Result<_>>()?;
    Ok(query.put_together(counted))
}

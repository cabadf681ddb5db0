//! How many runs are in each state.

use std::collections::HashMap;

use millwork_core::id::WorkflowId;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::columns;
use crate::RunCounts;
use crate::counts::ALL_WORKFLOWS;

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

//! Triggers: what starts runs when nobody asks for one.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use millwork_core::id::WorkflowId;
use millwork_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};

use super::failure::within;
use super::{Postgres, columns, text};
use crate::Error;
use crate::trigger::{PathTaken, Trigger, TriggerId, TriggerKind, TriggerQuery, Triggers};

#[async_trait]
impl Triggers for Postgres {
    async fn list_triggers(&self, query: TriggerQuery) -> Result<Vec<Trigger>, Error> {
        within("list triggers", list(&self.pool, &query)).await
    }

    async fn find_webhooks(&self, path: &str) -> Result<Vec<TriggerId>, Error> {
        within("find an inbound webhook", find_webhooks(&self.pool, path)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        within("find the next schedule", next_due(&self.pool)).await
    }

    async fn claim_ticks(
        &self,
        before: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Trigger>, Error> {
        let claim = claim_ticks(&self.pool, before, until, limit);
        within("take on schedules that are due", claim).await
    }

    async fn move_tick(
        &self,
        id: TriggerId,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> Result<bool, Error> {
        within("move a schedule on", move_tick(&self.pool, id, from, to)).await
    }
}

fn read_id(row: &PgRow) -> sqlx::Result<TriggerId> {
    let (version, number): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
    Ok(TriggerId {
        workflow: columns::workflow_id(row, 0)?,
        version: u32::try_from(version).unwrap_or(0),
        number: u32::try_from(number).unwrap_or(u32::MAX),
    })
}

fn read(row: &PgRow) -> sqlx::Result<Trigger> {
    Ok(Trigger {
        id: read_id(row)?,
        kind: columns::word(row, 3)?,
        place: columns::text(row, 4)?,
        next_at: columns::optional_time(row, 5)?,
    })
}

/// Workflows that want the same paths at once wait for each other, in the order of the paths.
const TAKE_PATHS: &str = "
    INSERT INTO trigger_paths (path, workflow) SELECT path, $2 FROM UNNEST($1::text[]) AS p (path) ORDER BY path
    ON CONFLICT (path) DO UPDATE SET workflow = trigger_paths.workflow
    RETURNING path, workflow";

const GIVE_PATHS_BACK: &str = "DELETE FROM trigger_paths WHERE workflow = $1 AND path <> ALL($2)";

const INSERT: &str = "
    INSERT INTO triggers (workflow, version, number, kind, place, next_at, due_at)
    VALUES ($1, $2, $3, $4, $5, $6, $6)";

/// Puts the triggers of the newest version of a workflow in the place of those before, or says whose path it is: then the
/// transaction is to be rolled back.
pub(super) async fn replace(
    connection: &mut PgConnection,
    workflow: WorkflowId,
    triggers: &[Trigger],
) -> sqlx::Result<Option<PathTaken>> {
    let id = columns::workflow_uuid(workflow);
    sqlx::query("DELETE FROM triggers WHERE workflow = $1")
        .bind(id)
        .execute(&mut *connection)
        .await?;
    let webhooks = triggers.iter().filter(|t| t.kind == TriggerKind::Webhook);
    let paths: BTreeSet<_> = webhooks
        .map(|t| text::encode(&t.place).into_owned())
        .collect();
    let paths = Vec::from_iter(paths);
    sqlx::query(GIVE_PATHS_BACK)
        .bind(id)
        .bind(&paths)
        .execute(&mut *connection)
        .await?;
    let rows = match paths.is_empty() {
        true => Vec::new(),
        false => {
            let take = sqlx::query(TAKE_PATHS).bind(paths).bind(id);
            take.fetch_all(&mut *connection).await?
        }
    };
    let mut taken = BTreeMap::new();
    for row in &rows {
        let holder = columns::workflow_id(row, 1)?;
        if holder != workflow {
            taken.insert(columns::text(row, 0)?, holder);
        }
    }
    for trigger in triggers {
        if let Some((path, workflow)) = taken.remove_entry(&trigger.place) {
            return Ok(Some(PathTaken { path, workflow }));
        }
    }
    for trigger in triggers {
        sqlx::query(INSERT)
            .bind(id)
            .bind(i64::from(trigger.id.version))
            .bind(i64::from(trigger.id.number))
            .bind(trigger.kind.as_str())
            .bind(text::encode(&trigger.place))
            .bind(trigger.next_at.map(columns::to_time))
            .execute(&mut *connection)
            .await?;
    }
    Ok(None)
}

async fn list(pool: &PgPool, query: &TriggerQuery) -> sqlx::Result<Vec<Trigger>> {
    let after = query.after.as_ref();
    let rows = sqlx::query(
        "SELECT workflow, version, number, kind, place, next_at FROM triggers
         WHERE ($1::uuid IS NULL OR workflow = $1) AND ($2::text IS NULL OR kind = $2)
         AND ($3::uuid IS NULL OR (workflow, version, number) > ($3, $4, $5))
         ORDER BY workflow, version, number LIMIT $6",
    )
    .bind(query.workflow.map(columns::workflow_uuid))
    .bind(query.kind.map(TriggerKind::as_str))
    .bind(after.map(|after| columns::workflow_uuid(after.workflow)))
    .bind(after.map(|after| i64::from(after.version)))
    .bind(after.map(|after| i64::from(after.number)))
    .bind(columns::limit(query.limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(read).collect()
}

async fn find_webhooks(pool: &PgPool, path: &str) -> sqlx::Result<Vec<TriggerId>> {
    let rows = sqlx::query(
        "SELECT workflow, version, number FROM triggers WHERE kind = 'webhook' AND place = $1
         ORDER BY workflow, version, number",
    )
    .bind(text::encode(path))
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_id).collect()
}

async fn next_due(pool: &PgPool) -> sqlx::Result<Option<Timestamp>> {
    let row = sqlx::query("SELECT min(due_at) FROM triggers WHERE due_at IS NOT NULL")
        .fetch_one(pool)
        .await?;
    columns::optional_time(&row, 0)
}

/// What another process claims at the same moment is passed over, not waited for.
const CLAIM: &str = "
    WITH due AS (
        SELECT workflow, version, number FROM triggers WHERE due_at < $1
        ORDER BY due_at, workflow, version, number LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE triggers t SET due_at = $2 FROM due
    WHERE t.workflow = due.workflow AND t.version = due.version AND t.number = due.number
    RETURNING t.workflow, t.version, t.number, t.kind, t.place, t.next_at";

async fn claim_ticks(
    pool: &PgPool,
    before: Timestamp,
    until: Timestamp,
    limit: usize,
) -> sqlx::Result<Vec<Trigger>> {
    let rows = sqlx::query(CLAIM)
        .bind(columns::to_time(before))
        .bind(columns::to_time(until))
        .bind(columns::limit(limit))
        .fetch_all(pool)
        .await?;
    let mut claimed = rows.iter().map(read).collect::<sqlx::Result<Vec<_>>>()?;
    claimed.sort_by_key(|trigger| (trigger.next_at, trigger.id));
    Ok(claimed)
}

async fn move_tick(
    pool: &PgPool,
    id: TriggerId,
    from: Timestamp,
    to: Option<Timestamp>,
) -> sqlx::Result<bool> {
    let moved = sqlx::query(
        "UPDATE triggers SET next_at = $5, due_at = $5
         WHERE workflow = $1 AND version = $2 AND number = $3 AND next_at = $4",
    )
    .bind(columns::workflow_uuid(id.workflow))
    .bind(i64::from(id.version))
    .bind(i64::from(id.number))
    .bind(columns::to_time(from))
    .bind(to.map(columns::to_time))
    .execute(pool)
    .await?;
    Ok(moved.rows_affected() == 1)
}

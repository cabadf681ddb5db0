//! Triggers: what starts runs when nobody asks for one.

use async_trait::async_trait;
use millwork_core::id::WorkflowId;
use millwork_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{Sqlite, columns};
use crate::Error;
use crate::trigger::{PathTaken, Trigger, TriggerId, TriggerKind, TriggerQuery, Triggers};

#[async_trait]
impl Triggers for Sqlite {
    async fn list_triggers(&self, query: TriggerQuery) -> std::result::Result<Vec<Trigger>, Error> {
        self.read_apart("list triggers", move |connection| list(connection, &query))
            .await
    }

    async fn find_webhooks(&self, path: &str) -> std::result::Result<Vec<TriggerId>, Error> {
        self.readers.read("find an inbound webhook", |connection| {
            find_webhooks(connection, path)
        })
    }

    async fn next_due(&self) -> std::result::Result<Option<Timestamp>, Error> {
        self.readers.read("find the next schedule", next_due)
    }

    async fn claim_ticks(
        &self,
        before: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> std::result::Result<Vec<Trigger>, Error> {
        self.writer
            .submit("take on schedules that are due", 0, move |session| {
                claim_ticks(session.connection, before, until, limit)
            })
            .await
    }

    async fn move_tick(
        &self,
        id: TriggerId,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> std::result::Result<bool, Error> {
        self.writer
            .submit("move a schedule on", 0, move |session| {
                move_tick(session.connection, id, from, to)
            })
            .await
    }
}

const COLUMNS: &str = "workflow, version, number, kind, place, next_at";

fn read_id(row: &Row<'_>) -> Result<TriggerId> {
    Ok(TriggerId {
        workflow: columns::workflow_id(row, 0)?,
        version: row.get(1)?,
        number: row.get(2)?,
    })
}

fn read(row: &Row<'_>) -> Result<Trigger> {
    Ok(Trigger {
        id: read_id(row)?,
        kind: columns::word(row, 3)?,
        place: row.get(4)?,
        next_at: columns::optional_time(row, 5)?,
    })
}

/// Finds a path among those of a workflow's triggers that another workflow has.
pub(super) fn find_taken(
    connection: &Connection,
    workflow: WorkflowId,
    triggers: &[Trigger],
) -> Result<Option<PathTaken>> {
    let webhooks = triggers.iter().filter(|t| t.kind == TriggerKind::Webhook);
    for Trigger { place, .. } in webhooks {
        let taken = connection
            .prepare_cached(
                "SELECT workflow FROM trigger_paths WHERE path = ?1 AND workflow <> ?2",
            )?
            .query_row(params![place, workflow.as_bytes()], |row| {
                columns::workflow_id(row, 0)
            })
            .optional()?;
        if let Some(workflow) = taken {
            let path = place.clone();
            return Ok(Some(PathTaken { path, workflow }));
        }
    }
    Ok(None)
}

/// Puts the triggers of the newest version of a workflow in the place of those before. Their paths are not taken.
pub(super) fn replace(
    connection: &Connection,
    workflow: WorkflowId,
    triggers: &[Trigger],
) -> Result<()> {
    for sql in [
        "DELETE FROM triggers WHERE workflow = ?1",
        "DELETE FROM trigger_paths WHERE workflow = ?1",
    ] {
        let mut delete = connection.prepare_cached(sql)?;
        delete.execute([workflow.as_bytes()])?;
    }
    let mut take = connection
        .prepare_cached("INSERT INTO trigger_paths VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for trigger in triggers.iter().filter(|t| t.kind == TriggerKind::Webhook) {
        take.execute(params![trigger.place, trigger.id.workflow.as_bytes()])?;
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO triggers (workflow, version, number, kind, place, next_at, due_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
    )?;
    for trigger in triggers {
        insert.execute(params![
            trigger.id.workflow.as_bytes(),
            trigger.id.version,
            trigger.id.number,
            trigger.kind.as_str(),
            trigger.place,
            trigger.next_at.map(Timestamp::as_micros)
        ])?;
    }
    Ok(())
}

fn list(connection: &Connection, query: &TriggerQuery) -> Result<Vec<Trigger>> {
    let after = query.after.as_ref();
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM triggers
             WHERE (?1 IS NULL OR workflow = ?1) AND (?2 IS NULL OR kind = ?2)
             AND (?3 IS NULL OR (workflow, version, number) > (?3, ?4, ?5))
             ORDER BY workflow, version, number LIMIT ?6"
        ))?
        .query_map(
            params![
                query.workflow.as_ref().map(|id| id.as_bytes().as_slice()),
                query.kind.map(TriggerKind::as_str),
                after.map(|after| after.workflow.as_bytes().as_slice()),
                after.map(|after| after.version),
                after.map(|after| after.number),
                columns::limit(query.limit)
            ],
            read,
        )?
        .collect()
}

fn find_webhooks(connection: &Connection, path: &str) -> Result<Vec<TriggerId>> {
    connection
        .prepare_cached(
            "SELECT workflow, version, number FROM triggers WHERE kind = 'webhook' AND place = ?1
             ORDER BY workflow, version, number",
        )?
        .query_map([path], read_id)?
        .collect()
}

fn next_due(connection: &Connection) -> Result<Option<Timestamp>> {
    connection
        .prepare_cached("SELECT min(due_at) FROM triggers WHERE due_at IS NOT NULL")?
        .query_row([], |row| columns::optional_time(row, 0))
}

fn claim_ticks(
    connection: &Connection,
    before: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<Trigger>> {
    let due: Vec<Trigger> = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM triggers WHERE due_at < ?1 ORDER BY due_at, workflow, version, number LIMIT ?2"
        ))?
        .query_map(params![before.as_micros(), columns::limit(limit)], read)?
        .collect::<Result<_>>()?;
    let mut claim = connection.prepare_cached(
        "UPDATE triggers SET due_at = ?4 WHERE workflow = ?1 AND version = ?2 AND number = ?3",
    )?;
    for Trigger { id, .. } in &due {
        claim.execute(params![
            id.workflow.as_bytes(),
            id.version,
            id.number,
            until.as_micros()
        ])?;
    }
    Ok(due)
}

fn move_tick(
    connection: &Connection,
    id: TriggerId,
    from: Timestamp,
    to: Option<Timestamp>,
) -> Result<bool> {
    let moved = connection
        .prepare_cached(
            "UPDATE triggers SET next_at = ?5, due_at = ?5
             WHERE workflow = ?1 AND version = ?2 AND number = ?3 AND next_at = ?4",
        )?
        .execute(params![
            id.workflow.as_bytes(),
            id.version,
            id.number,
            from.as_micros(),
            to.map(Timestamp::as_micros)
        ])?;
    Ok(moved == 1)
}

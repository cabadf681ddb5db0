//! Workflows: their heads and their versions.

use async_trait::async_trait;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::{Sqlite, columns, triggers};
use crate::trigger::Trigger;
use crate::{
    Changed, Deleted, Error, NewVersion, VersionRow, Workflow, WorkflowHead, WorkflowQuery,
    Workflows,
};

#[async_trait]
impl Workflows for Sqlite {
    async fn add_version(&self, version: NewVersion) -> std::result::Result<Changed, Error> {
        let bytes = version.workflow.definition.len();
        self.writer
            .submit("keep a workflow", bytes, move |session| {
                add_version(session.connection, &version)
            })
            .await
    }

    async fn find_workflow(
        &self,
        id: WorkflowId,
        version: Option<u32>,
    ) -> std::result::Result<Option<Workflow>, Error> {
        self.readers.read("find a workflow", |connection| {
            find(connection, id, version)
        })
    }

    async fn find_head(&self, id: WorkflowId) -> std::result::Result<Option<WorkflowHead>, Error> {
        self.readers
            .read("find a workflow", |connection| find_head(connection, id))
    }

    async fn list_workflows(
        &self,
        query: WorkflowQuery,
    ) -> std::result::Result<Vec<WorkflowHead>, Error> {
        self.read_apart("list workflows", move |connection| list(connection, &query))
            .await
    }

    async fn list_versions(
        &self,
        id: WorkflowId,
        before: Option<u32>,
        limit: usize,
    ) -> std::result::Result<Vec<VersionRow>, Error> {
        self.read_apart("list versions", move |connection| {
            list_versions(connection, id, before, limit)
        })
        .await
    }

    async fn archive_workflow(
        &self,
        id: WorkflowId,
        at: Timestamp,
    ) -> std::result::Result<bool, Error> {
        self.writer
            .submit("archive a workflow", 0, move |session| {
                archive(session.connection, id, at)
            })
            .await
    }

    async fn restore_workflow(
        &self,
        id: WorkflowId,
        newest: u32,
        triggers: Vec<Trigger>,
    ) -> std::result::Result<Changed, Error> {
        self.writer
            .submit("take a workflow back", 0, move |session| {
                restore(session.connection, id, newest, &triggers)
            })
            .await
    }

    async fn delete_workflow(
        &self,
        id: WorkflowId,
        at: Timestamp,
    ) -> std::result::Result<Deleted, Error> {
        self.writer
            .submit("delete a workflow", 0, move |session| {
                delete(session.connection, id, at)
            })
            .await
    }

    async fn remove_deleted(
        &self,
        deleted_before: Timestamp,
        limit: usize,
    ) -> std::result::Result<usize, Error> {
        self.writer
            .submit("remove deleted workflows", 0, move |session| {
                remove_deleted(session.connection, deleted_before, limit)
            })
            .await
    }
}

fn add_version(connection: &Connection, new: &NewVersion) -> Result<Changed> {
    let workflow = &new.workflow;
    // Looked at before anything is written, so that nothing has to be taken back.
    let is_next = match find_newest(connection, workflow.id)? {
        None => workflow.version == 1,
        Some((newest, is_deleted)) => {
            !is_deleted && newest.checked_add(1) == Some(workflow.version)
        }
    };
    if !is_next {
        return Ok(Changed::Overtaken);
    }
    if let Some(taken) = triggers::find_taken(connection, workflow.id, &new.triggers)? {
        return Ok(Changed::PathTaken(taken));
    }
    let labels = columns::labels_text(&new.labels);
    let first = "INSERT INTO workflow_heads (id, newest, name, label, labels, search, created_at, updated_at)
         VALUES (:id, :version, :name, :label, :labels, :search, :at, :at)";
    let next = "UPDATE workflow_heads SET newest = :version, name = :name, label = :label, labels = :labels,
             search = :search, updated_at = :at, archived_at = NULL
         WHERE id = :id";
    let sql = match workflow.version {
        1 => first,
        _ => next,
    };
    connection.prepare_cached(sql)?.execute(named_params! {
        ":id": workflow.id.as_bytes(),
        ":version": workflow.version,
        ":name": workflow.name,
        ":label": new.label,
        ":labels": labels,
        ":search": new.search_text(),
        ":at": workflow.created_at.as_micros(),
    })?;
    connection
        .prepare_cached(
            "INSERT INTO workflows (id, version, name, definition, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            workflow.id.as_bytes(),
            workflow.version,
            workflow.name,
            workflow.definition,
            workflow.created_at.as_micros()
        ])?;
    triggers::replace(connection, workflow.id, &new.triggers)?;
    Ok(Changed::Written)
}

/// The newest version that a workflow ever had, and whether it was deleted.
fn find_newest(connection: &Connection, id: WorkflowId) -> Result<Option<(u32, bool)>> {
    connection
        .prepare_cached("SELECT newest, deleted_at IS NOT NULL FROM workflow_heads WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

fn find(connection: &Connection, id: WorkflowId, version: Option<u32>) -> Result<Option<Workflow>> {
    connection
        .prepare_cached(
            "SELECT version, name, definition, created_at FROM workflows WHERE id = ?1 AND version =
             coalesce(?2, (SELECT newest FROM workflow_heads WHERE id = ?1 AND deleted_at IS NULL))",
        )?
        .query_row(params![id.as_bytes(), version], |row| {
            Ok(Workflow {
                id,
                version: row.get(0)?,
                name: row.get(1)?,
                definition: row.get(2)?,
                created_at: columns::time(row, 3)?,
            })
        })
        .optional()
}

const HEAD: &str = "SELECT id, newest, name, label, labels, created_at, updated_at, archived_at FROM workflow_heads";

fn find_head(connection: &Connection, id: WorkflowId) -> Result<Option<WorkflowHead>> {
    connection
        .prepare_cached(&format!("{HEAD} WHERE id = ?1 AND deleted_at IS NULL"))?
        .query_row([id.as_bytes()], read_head)
        .optional()
}

fn list(connection: &Connection, query: &WorkflowQuery) -> Result<Vec<WorkflowHead>> {
    // What is not asked for is no part of the statement, so that an index can be used for what is.
    let asked = [
        (query.label.is_some(), "label = :label", ":label IS NULL"),
        (query.name.is_some(), "name = :name", ":name IS NULL"),
        (
            query.text.is_some(),
            "instr(search, :text) > 0",
            ":text IS NULL",
        ),
        (query.after.is_some(), "id < :after", ":after IS NULL"),
        (!query.with_archived, "archived_at IS NULL", "true"),
    ];
    let asked = asked.map(|(is_asked, holds, else_)| if is_asked { holds } else { else_ });
    let sql = format!(
        "{HEAD} WHERE deleted_at IS NULL AND {} ORDER BY id DESC LIMIT :limit",
        asked.join(" AND ")
    );
    connection
        .prepare_cached(&sql)?
        .query_map(
            named_params! {
                ":label": query.label,
                ":name": query.name,
                ":text": query.needle(),
                ":after": query.after.as_ref().map(|id| id.as_bytes().as_slice()),
                ":limit": columns::limit(query.limit),
            },
            read_head,
        )?
        .collect()
}

fn read_head(row: &Row<'_>) -> Result<WorkflowHead> {
    Ok(WorkflowHead {
        id: columns::workflow_id(row, 0)?,
        newest: row.get(1)?,
        name: row.get(2)?,
        label: row.get(3)?,
        labels: columns::labels(row, 4)?,
        created_at: columns::time(row, 5)?,
        updated_at: columns::time(row, 6)?,
        archived_at: columns::optional_time(row, 7)?,
    })
}

fn list_versions(
    connection: &Connection,
    id: WorkflowId,
    before: Option<u32>,
    limit: usize,
) -> Result<Vec<VersionRow>> {
    let before = before.map_or(i64::MAX, i64::from);
    connection
        .prepare_cached(
            "SELECT version, name, created_at FROM workflows WHERE id = ?1 AND version < ?2
             AND EXISTS (SELECT 1 FROM workflow_heads WHERE id = ?1 AND deleted_at IS NULL)
             ORDER BY version DESC LIMIT ?3",
        )?
        .query_map(
            params![id.as_bytes(), before, columns::limit(limit)],
            |row| {
                Ok(VersionRow {
                    version: row.get(0)?,
                    name: row.get(1)?,
                    created_at: columns::time(row, 2)?,
                })
            },
        )?
        .collect()
}

fn archive(connection: &Connection, id: WorkflowId, at: Timestamp) -> Result<bool> {
    let written = connection
        .prepare_cached(
            "UPDATE workflow_heads SET archived_at = coalesce(archived_at, ?2) WHERE id = ?1 AND deleted_at IS NULL",
        )?
        .execute(params![id.as_bytes(), at.as_micros()])?;
    if written == 1 {
        triggers::replace(connection, id, &[])?;
    }
    Ok(written == 1)
}

fn restore(
    connection: &Connection,
    id: WorkflowId,
    newest: u32,
    triggers: &[Trigger],
) -> Result<Changed> {
    if find_newest(connection, id)? != Some((newest, false)) {
        return Ok(Changed::Overtaken);
    }
    if let Some(taken) = triggers::find_taken(connection, id, triggers)? {
        return Ok(Changed::PathTaken(taken));
    }
    connection
        .prepare_cached("UPDATE workflow_heads SET archived_at = NULL WHERE id = ?1")?
        .execute([id.as_bytes()])?;
    triggers::replace(connection, id, triggers)?;
    Ok(Changed::Written)
}

fn delete(connection: &Connection, id: WorkflowId, at: Timestamp) -> Result<Deleted> {
    if find_head(connection, id)?.is_none() {
        return Ok(Deleted::Unknown);
    }
    if let Some(run) = find_unfinished(connection, id)? {
        return Ok(Deleted::InUse(run));
    }
    connection
        .prepare_cached("UPDATE workflow_heads SET deleted_at = ?2 WHERE id = ?1")?
        .execute(params![id.as_bytes(), at.as_micros()])?;
    triggers::replace(connection, id, &[])?;
    Ok(Deleted::Deleted)
}

/// Looks through the runs that are under way, of whichever workflow: they are few beside those that have ended.
fn find_unfinished(connection: &Connection, id: WorkflowId) -> Result<Option<RunId>> {
    connection
        .prepare_cached(
            "SELECT id FROM runs INDEXED BY runs_by_status
             WHERE status IN ('pending', 'running', 'paused') AND workflow = ?1 ORDER BY id LIMIT 1",
        )?
        .query_row([id.as_bytes()], |row| columns::run_id(row, 0))
        .optional()
}

fn remove_deleted(connection: &Connection, before: Timestamp, limit: usize) -> Result<usize> {
    let over: Vec<WorkflowId> = connection
        .prepare_cached(
            "SELECT id FROM workflow_heads INDEXED BY workflow_heads_deleted WHERE deleted_at < ?1
             AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.workflow = workflow_heads.id) LIMIT ?2",
        )?
        .query_map(params![before.as_micros(), columns::limit(limit)], |row| {
            columns::workflow_id(row, 0)
        })?
        .collect::<Result<_>>()?;
    for id in &over {
        for sql in [
            "DELETE FROM workflows WHERE id = ?1",
            "DELETE FROM workflow_heads WHERE id = ?1",
        ] {
            connection.prepare_cached(sql)?.execute([id.as_bytes()])?;
        }
    }
    Ok(over.len())
}

//! Workflows: their heads and their versions.

use async_trait::async_trait;
use millwork_core::id::WorkflowId;
use millwork_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool};

use super::failure::within;
use super::{Postgres, columns, failure, text, triggers};
use crate::trigger::Trigger;
use crate::{
    Changed, Deleted, Error, NewVersion, VersionRow, Workflow, WorkflowHead, WorkflowQuery,
    Workflows,
};

#[async_trait]
impl Workflows for Postgres {
    async fn add_version(&self, version: NewVersion) -> Result<Changed, Error> {
        let add = persisting(|| add_version(&self.pool, &version));
        within("keep a workflow", add).await
    }

    async fn find_workflow(
        &self,
        id: WorkflowId,
        version: Option<u32>,
    ) -> Result<Option<Workflow>, Error> {
        within("find a workflow", find(&self.pool, id, version)).await
    }

    async fn find_head(&self, id: WorkflowId) -> Result<Option<WorkflowHead>, Error> {
        within("find a workflow", find_head(&self.pool, id)).await
    }

    async fn list_workflows(&self, query: WorkflowQuery) -> Result<Vec<WorkflowHead>, Error> {
        within("list workflows", list(&self.pool, &query)).await
    }

    async fn list_versions(
        &self,
        id: WorkflowId,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<VersionRow>, Error> {
        within(
            "list versions",
            list_versions(&self.pool, id, before, limit),
        )
        .await
    }

    async fn archive_workflow(&self, id: WorkflowId, at: Timestamp) -> Result<bool, Error> {
        let archive = persisting(|| archive(&self.pool, id, at));
        within("archive a workflow", archive).await
    }

    async fn restore_workflow(
        &self,
        id: WorkflowId,
        newest: u32,
        triggers: Vec<Trigger>,
    ) -> Result<Changed, Error> {
        let restore = persisting(|| restore(&self.pool, id, newest, &triggers));
        within("take a workflow back", restore).await
    }

    async fn delete_workflow(&self, id: WorkflowId, at: Timestamp) -> Result<Deleted, Error> {
        within("delete a workflow", delete(&self.pool, id, at)).await
    }

    async fn remove_deleted(
        &self,
        deleted_before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        let remove = remove_deleted(&self.pool, deleted_before, limit);
        within("remove deleted workflows", remove).await
    }
}

/// How often a change is sent that met another in the wrong order: two workflows that exchange their paths.
const TRIES: u32 = 5;

async fn persisting<T, F: Future<Output = sqlx::Result<T>>>(
    call: impl Fn() -> F,
) -> sqlx::Result<T> {
    let mut tries = 1;
    loop {
        match call().await {
            Err(error) if failure::is_collision(&error) && tries < TRIES => tries += 1,
            answer => return answer,
        }
    }
}

/// Of two processes that would both write a version, the second finds the head taken.
const FIRST: &str = "
    INSERT INTO workflow_heads (id, newest, name, label, labels, search, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (id) DO NOTHING";

const NEXT: &str = "
    UPDATE workflow_heads SET newest = $2, name = $3, label = $4, labels = $5, search = $6, updated_at = $7, archived_at = NULL
    WHERE id = $1 AND newest = $2 - 1 AND deleted_at IS NULL";

async fn add_version(pool: &PgPool, new: &NewVersion) -> sqlx::Result<Changed> {
    let workflow = &new.workflow;
    let sql = match workflow.version {
        0 => return Ok(Changed::Overtaken),
        1 => FIRST,
        _ => NEXT,
    };
    let mut transaction = pool.begin().await?;
    let written = sqlx::query(sql)
        .bind(columns::workflow_uuid(workflow.id))
        .bind(i64::from(workflow.version))
        .bind(text::encode(&workflow.name))
        .bind(new.label.as_deref().map(text::encode))
        .bind(columns::labels_text(&new.labels))
        .bind(text::encode(&new.search_text()))
        .bind(columns::to_time(workflow.created_at))
        .execute(&mut *transaction)
        .await?;
    if written.rows_affected() == 0 {
        return Ok(Changed::Overtaken);
    }
    sqlx::query(
        "INSERT INTO workflows (id, version, name, definition, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(columns::workflow_uuid(workflow.id))
    .bind(i64::from(workflow.version))
    .bind(text::encode(&workflow.name))
    .bind(text::encode(&workflow.definition))
    .bind(columns::to_time(workflow.created_at))
    .execute(&mut *transaction)
    .await?;
    let replaced = triggers::replace(&mut transaction, workflow.id, &new.triggers);
    if let Some(taken) = replaced.await? {
        return Ok(Changed::PathTaken(taken));
    }
    transaction.commit().await?;
    Ok(Changed::Written)
}

async fn find(
    pool: &PgPool,
    id: WorkflowId,
    version: Option<u32>,
) -> sqlx::Result<Option<Workflow>> {
    let row = sqlx::query(
        "SELECT version, name, definition, created_at FROM workflows WHERE id = $1 AND version =
         coalesce($2, (SELECT newest FROM workflow_heads WHERE id = $1 AND deleted_at IS NULL))",
    )
    .bind(columns::workflow_uuid(id))
    .bind(version.map(i64::from))
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Workflow {
        id,
        version: columns::version(&row, 0)?,
        name: columns::text(&row, 1)?,
        definition: columns::text(&row, 2)?,
        created_at: columns::time(&row, 3)?,
    }))
}

const HEAD: &str = "SELECT id, newest, name, label, labels, created_at, updated_at, archived_at FROM workflow_heads";

async fn find_head(pool: &PgPool, id: WorkflowId) -> sqlx::Result<Option<WorkflowHead>> {
    let sql = format!("{HEAD} WHERE id = $1 AND deleted_at IS NULL");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(columns::workflow_uuid(id))
        .fetch_optional(pool)
        .await?;
    row.as_ref().map(read_head).transpose()
}

async fn list(pool: &PgPool, query: &WorkflowQuery) -> sqlx::Result<Vec<WorkflowHead>> {
    // What is not asked for only says its type, so that an index can be used for what is.
    let asked = [
        (query.label.is_some(), "label = $1", "$1::text IS NULL"),
        (query.name.is_some(), "name = $2", "$2::text IS NULL"),
        (
            query.text.is_some(),
            "strpos(search, $3) > 0",
            "$3::text IS NULL",
        ),
        (query.after.is_some(), "id < $4", "$4::uuid IS NULL"),
        (!query.with_archived, "archived_at IS NULL", "true"),
    ];
    let asked = asked.map(|(is_asked, holds, else_)| if is_asked { holds } else { else_ });
    let sql = format!(
        "{HEAD} WHERE deleted_at IS NULL AND {} ORDER BY id DESC LIMIT $5",
        asked.join(" AND ")
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(query.label.as_deref().map(text::encode))
        .bind(query.name.as_deref().map(text::encode))
        .bind(
            query
                .needle()
                .map(|needle| text::encode(&needle).into_owned()),
        )
        .bind(query.after.map(columns::workflow_uuid))
        .bind(columns::limit(query.limit))
        .fetch_all(pool)
        .await?;
    rows.iter().map(read_head).collect()
}

fn read_head(row: &PgRow) -> sqlx::Result<WorkflowHead> {
    Ok(WorkflowHead {
        id: columns::workflow_id(row, 0)?,
        newest: columns::version(row, 1)?,
        name: columns::text(row, 2)?,
        label: columns::optional_text(row, 3)?,
        labels: columns::labels(row, 4)?,
        created_at: columns::time(row, 5)?,
        updated_at: columns::time(row, 6)?,
        archived_at: columns::optional_time(row, 7)?,
    })
}

async fn list_versions(
    pool: &PgPool,
    id: WorkflowId,
    before: Option<u32>,
    limit: usize,
) -> sqlx::Result<Vec<VersionRow>> {
    let rows = sqlx::query(
        "SELECT version, name, created_at FROM workflows WHERE id = $1 AND version < $2
         AND EXISTS (SELECT 1 FROM workflow_heads WHERE id = $1 AND deleted_at IS NULL)
         ORDER BY version DESC LIMIT $3",
    )
    .bind(columns::workflow_uuid(id))
    .bind(before.map_or(i64::MAX, i64::from))
    .bind(columns::limit(limit))
    .fetch_all(pool)
    .await?;
    let row = |row: &PgRow| {
        Ok(VersionRow {
            version: columns::version(row, 0)?,
            name: columns::text(row, 1)?,
            created_at: columns::time(row, 2)?,
        })
    };
    rows.iter().map(row).collect()
}

async fn archive(pool: &PgPool, id: WorkflowId, at: Timestamp) -> sqlx::Result<bool> {
    let mut transaction = pool.begin().await?;
    let written = sqlx::query(
        "UPDATE workflow_heads SET archived_at = coalesce(archived_at, $2) WHERE id = $1 AND deleted_at IS NULL",
    )
    .bind(columns::workflow_uuid(id))
    .bind(columns::to_time(at))
    .execute(&mut *transaction)
    .await?;
    if written.rows_affected() == 0 {
        return Ok(false);
    }
    triggers::replace(&mut transaction, id, &[]).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn restore(
    pool: &PgPool,
    id: WorkflowId,
    newest: u32,
    triggers: &[Trigger],
) -> sqlx::Result<Changed> {
    let mut transaction = pool.begin().await?;
    let written = sqlx::query(
        "UPDATE workflow_heads SET archived_at = NULL WHERE id = $1 AND newest = $2 AND deleted_at IS NULL",
    )
    .bind(columns::workflow_uuid(id))
    .bind(i64::from(newest))
    .execute(&mut *transaction)
    .await?;
    if written.rows_affected() == 0 {
        return Ok(Changed::Overtaken);
    }
    let replaced = triggers::replace(&mut transaction, id, triggers);
    if let Some(taken) = replaced.await? {
        return Ok(Changed::PathTaken(taken));
    }
    transaction.commit().await?;
    Ok(Changed::Written)
}

/// Looks through the runs that are under way, of whichever workflow: they are few beside those that have ended.
const UNFINISHED: &str = "
    SELECT id FROM runs WHERE status IN ('pending', 'running', 'paused') AND workflow = $1 ORDER BY id LIMIT 1";

async fn delete(pool: &PgPool, id: WorkflowId, at: Timestamp) -> sqlx::Result<Deleted> {
    let mut transaction = pool.begin().await?;
    let found =
        sqlx::query("SELECT 1 FROM workflow_heads WHERE id = $1 AND deleted_at IS NULL FOR UPDATE")
            .bind(columns::workflow_uuid(id))
            .fetch_optional(&mut *transaction)
            .await?;
    if found.is_none() {
        return Ok(Deleted::Unknown);
    }
    let unfinished = sqlx::query(UNFINISHED)
        .bind(columns::workflow_uuid(id))
        .fetch_optional(&mut *transaction)
        .await?;
    if let Some(row) = unfinished {
        return Ok(Deleted::InUse(columns::run_id(&row, 0)?));
    }
    sqlx::query("UPDATE workflow_heads SET deleted_at = $2 WHERE id = $1")
        .bind(columns::workflow_uuid(id))
        .bind(columns::to_time(at))
        .execute(&mut *transaction)
        .await?;
    triggers::replace(&mut transaction, id, &[]).await?;
    transaction.commit().await?;
    Ok(Deleted::Deleted)
}

async fn remove_deleted(pool: &PgPool, before: Timestamp, limit: usize) -> sqlx::Result<usize> {
    let removed = sqlx::query(
        "WITH over AS (
             SELECT id FROM workflow_heads WHERE deleted_at < $1
             AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.workflow = workflow_heads.id)
             LIMIT $2 FOR UPDATE SKIP LOCKED
         ), versions AS (
             DELETE FROM workflows USING over WHERE workflows.id = over.id
         )
         DELETE FROM workflow_heads USING over WHERE workflow_heads.id = over.id",
    )
    .bind(columns::to_time(before))
    .bind(columns::limit(limit))
    .execute(pool)
    .await?;
    Ok(usize::try_from(removed.rows_affected()).unwrap_or(usize::MAX))
}

//! Workflows.

use millwork_core::id::WorkflowId;
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::columns;
use crate::Workflow;

pub(super) fn insert(connection: &Connection, workflow: &Workflow) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO workflows (id, version, name, definition, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            workflow.id.as_bytes(),
            workflow.version,
            workflow.name,
            workflow.definition,
            workflow.created_at.as_micros()
        ])?;
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    id: WorkflowId,
    version: Option<u32>,
) -> Result<Option<Workflow>> {
    connection
        .prepare_cached(
            "SELECT version, name, definition, created_at FROM workflows
             WHERE id = ?1 AND version BETWEEN ?2 AND ?3 ORDER BY version DESC LIMIT 1",
        )?
        .query_row(
            params![
                id.as_bytes(),
                version.unwrap_or(0),
                version.unwrap_or(u32::MAX)
            ],
            |row| {
                Ok(Workflow {
                    id,
                    version: row.get(0)?,
                    name: row.get(1)?,
                    definition: row.get(2)?,
                    created_at: columns::time(row, 3)?,
                })
            },
        )
        .optional()
}

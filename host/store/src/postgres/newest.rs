//! Whether the version of a new run is the newest of its workflow.

use std::collections::HashSet;

use millwork_core::id::RunId;
use sqlx::PgConnection;

use super::columns;
use crate::{Commit, Committed, NewRun};

/// Whether a run is to be of the newest version.
pub(super) fn asks_for_newest(commit: &Commit) -> bool {
    commit.new.as_ref().is_some_and(|new| new.is_newest)
}

/// Those whose version is not the newest of a workflow that takes runs. A run that exists is none of them: it conflicts.
const OUTDATED: &str = "
    SELECT c.run FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[]) AS c (run, workflow, version)
    WHERE NOT EXISTS (
        SELECT 1 FROM workflow_heads h
        WHERE h.id = c.workflow AND h.newest = c.version AND h.archived_at IS NULL AND h.deleted_at IS NULL
    ) AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = c.run)";

/// Says of those that were not written which were because of their version.
pub(super) async fn note_outdated(
    connection: &mut PgConnection,
    placed: &[(usize, &Commit)],
    written: &HashSet<RunId>,
    answers: &mut [Committed],
) -> sqlx::Result<()> {
    let asking = placed
        .iter()
        .filter(|(_, commit)| asks_for_newest(commit) && !written.contains(&commit.run));
    let asking: Vec<(RunId, &NewRun)> = asking
        .filter_map(|(_, commit)| Some((commit.run, commit.new.as_ref()?)))
        .collect();
    if asking.is_empty() {
        return Ok(());
    }
    let runs: Vec<_> = asking.iter().map(|(run, _)| columns::uuid(*run)).collect();
    let workflows = asking
        .iter()
        .map(|(_, new)| columns::workflow_uuid(new.workflow));
    let versions = asking.iter().map(|(_, new)| i64::from(new.version));
    let rows = sqlx::query(OUTDATED)
        .bind(runs)
        .bind(workflows.collect::<Vec<_>>())
        .bind(versions.collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let outdated: HashSet<RunId> = rows
        .iter()
        .map(|row| columns::run_id(row, 0))
        .collect::<sqlx::Result<_>>()?;
    for (place, commit) in placed {
        if outdated.contains(&commit.run) {
            answers[*place] = Committed::Outdated;
        }
    }
    Ok(())
}

/// Leaves out of those to be created the ones whose version is not the newest.
pub(super) async fn drop_outdated(
    connection: &mut PgConnection,
    creating: &mut Vec<usize>,
    commits: &[Commit],
    answers: &mut [Committed],
) -> sqlx::Result<()> {
    let placed: Vec<_> = creating
        .iter()
        .map(|place| (*place, &commits[*place]))
        .collect();
    note_outdated(connection, &placed, &HashSet::new(), answers).await?;
    creating.retain(|place| answers[*place] != Committed::Outdated);
    Ok(())
}

//! The write that advances a run. It is the hottest path of the store: each statement here is paid for by every step.

use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::Summary;
use millwork_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, ToSql, params};

use super::writer::Session;
use super::{columns, journal, labels, limits};
use crate::limits::desk::Answer;
use crate::limits::{Passage, Passed};
use crate::{Commit, Committed, Idempotency, NewRun};

/// Writes a commit whole, or nothing of it. An error may leave a part: then the transaction is to be rolled back.
pub(super) fn write(session: &mut Session<'_>, commit: &Commit) -> Result<Committed> {
    if !commit.is_in_form() {
        return Ok(Committed::Conflict);
    }
    match &commit.passage {
        None => write_unlimited(session, commit),
        Some(passage) => write_limited(session, commit, passage),
    }
}

fn write_unlimited(session: &mut Session<'_>, commit: &Commit) -> Result<Committed> {
    if let Some(NewRun { idempotency, .. }) = &commit.new
        && let Some(key) = idempotency
        && let Some(refused) = take_key(session.connection, commit, key)?
    {
        return Ok(refused);
    }
    if put(session, commit)? {
        return Ok(Committed::Written);
    }
    let asks = commit.new.as_ref().is_some_and(|new| new.is_newest);
    Ok(match asks && !exists(session.connection, commit.run)? {
        true => Committed::Outdated,
        false => Committed::Conflict,
    })
}

/// Looks first whether the commit can be written, so that nobody is let in who is not there.
fn write_limited(
    session: &mut Session<'_>,
    commit: &Commit,
    passage: &Passage,
) -> Result<Committed> {
    let connection = session.connection;
    let key = commit.new.as_ref().and_then(|new| new.idempotency.as_ref());
    let has_place = match &commit.new {
        Some(_) => !exists(connection, commit.run)?,
        None => journal::ends_before(connection, commit.run, commit.first_seq)?,
    };
    if !has_place {
        return Ok(Committed::Conflict);
    }
    if is_outdated(connection, commit)? {
        return Ok(Committed::Outdated);
    }
    if let Some(key) = key
        && let Some(refused) = take_key(connection, commit, key)?
    {
        return Ok(refused);
    }
    let mut woken = Vec::new();
    let (answer, changes) = limits::pass(connection, commit.run, passage, &mut woken)?;
    let answer = match answer {
        Answer::Full(full) => {
            if key.is_some() {
                release_key(connection, commit)?;
            }
            Committed::Full(full)
        }
        Answer::Passed(outcome) => {
            put(session, &commit.clone().shaped(passage.clone(), outcome))?;
            Committed::Passed(Passed { outcome, woken })
        }
    };
    limits::wake(connection, &changes)?;
    Ok(answer)
}

/// Writes the records and the row. Says whether the run was where the commit expects it.
fn put(session: &mut Session<'_>, commit: &Commit) -> Result<bool> {
    match (&commit.new, commit.records.is_empty()) {
        (Some(new), false) => begin(session, commit, new),
        (None, false) => advance(session, commit),
        // Only limits have a commit written that says nothing: the run waits, and is due at another time.
        (_, true) => {
            let row = load_row(session.connection, commit.run)?;
            update_row(session.connection, commit, &row.summary, row.due_at)?;
            Ok(true)
        }
    }
}

fn begin(session: &mut Session<'_>, commit: &Commit, new: &NewRun) -> Result<bool> {
    let connection = session.connection;
    if !insert_run(connection, commit, new)? {
        return Ok(false);
    }
    journal::begin(connection, commit.run, &commit.records)?;
    labels::insert(connection, commit.run, &new.labels)?;
    let status = commit.summary.status;
    session.counts.note(new.workflow, None, Some(status));
    Ok(true)
}

fn advance(session: &mut Session<'_>, commit: &Commit) -> Result<bool> {
    let connection = session.connection;
    if !journal::advance(connection, commit.run, commit.first_seq, &commit.records)? {
        return Ok(false);
    }
    let row = load_row(connection, commit.run)?;
    update_row(connection, commit, &row.summary, row.due_at)?;
    let (before, after) = (row.summary.status, commit.summary.status);
    session.counts.note(row.workflow, Some(before), Some(after));
    Ok(true)
}

fn exists(connection: &Connection, run: RunId) -> Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM runs WHERE id = ?1")?
        .exists([run.as_bytes()])
}

/// Takes the key for a new run, or says why not. Looked up first, so that nothing has to be taken back: the key must not be
/// taken for a run that cannot be made.
fn take_key(
    connection: &Connection,
    commit: &Commit,
    key: &Idempotency,
) -> Result<Option<Committed>> {
    let Some(new) = &commit.new else {
        return Ok(None);
    };
    if exists(connection, commit.run)? {
        return Ok(Some(Committed::Conflict));
    }
    if is_outdated(connection, commit)? {
        return Ok(Some(Committed::Outdated));
    }
    claim(connection, new, key, commit.run)
}

/// Gives a key back that was taken for a run that is not made after all.
fn release_key(connection: &Connection, commit: &Commit) -> Result<()> {
    if let Some(NewRun {
        workflow,
        idempotency: Some(key),
        ..
    }) = &commit.new
    {
        connection
            .prepare_cached("DELETE FROM idempotency WHERE workflow = ?1 AND key = ?2")?
            .execute(params![workflow.as_bytes(), key.key])?;
    }
    Ok(())
}

/// Whether a new run would have to be of the newest version of a workflow that takes runs, and is not.
fn is_outdated(connection: &Connection, commit: &Commit) -> Result<bool> {
    let Some(new) = commit.new.as_ref().filter(|new| new.is_newest) else {
        return Ok(false);
    };
    let is_newest = connection
        .prepare_cached(
            "SELECT 1 FROM workflow_heads
             WHERE id = ?1 AND newest = ?2 AND archived_at IS NULL AND deleted_at IS NULL",
        )?
        .exists(params![new.workflow.as_bytes(), new.version])?;
    Ok(!is_newest)
}

/// Gives the key to a run, unless another has it still.
fn claim(
    connection: &Connection,
    new: &NewRun,
    key: &Idempotency,
    run: RunId,
) -> Result<Option<Committed>> {
    let claimed = connection
        .prepare_cached(
            "INSERT INTO idempotency (workflow, key, run, fingerprint, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (workflow, key) DO UPDATE
             SET run = excluded.run, fingerprint = excluded.fingerprint, expires_at = excluded.expires_at
             WHERE expires_at <= ?6",
        )?
        .execute(params![
            new.workflow.as_bytes(),
            key.key,
            run.as_bytes(),
            key.fingerprint.as_bytes(),
            key.expires_at.as_micros(),
            new.created_at.as_micros()
        ])?;
    if claimed == 1 {
        return Ok(None);
    }
    find_claim(connection, new.workflow, &key.key)
}

fn find_claim(
    connection: &Connection,
    workflow: WorkflowId,
    key: &str,
) -> Result<Option<Committed>> {
    connection
        .prepare_cached(
            "SELECT run, fingerprint FROM idempotency WHERE workflow = ?1 AND key = ?2",
        )?
        .query_row(params![workflow.as_bytes(), key], |row| {
            Ok(Committed::Replayed {
                run: columns::run_id(row, 0)?,
                fingerprint: columns::digest(row, 1)?,
            })
        })
        .optional()
}

const INSERT_RUN: &str =
    "INSERT OR IGNORE INTO runs (id, workflow, version, status, created_at, started_at, completed_at, due_at, error)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// The same, where the version is the newest of a workflow that takes runs. The heads are few and at hand: looking costs a
/// fraction of what the row does.
///
/// `OR IGNORE`, here and in the journal, and not `ON CONFLICT DO NOTHING`: a statement that reads what it inserts, and that a rule could still break off, first
/// copies each page that it changes, to be able to take its own part of the transaction back.
const INSERT_RUN_OF_NEWEST: &str =
    "INSERT OR IGNORE INTO runs (id, workflow, version, status, created_at, started_at, completed_at, due_at, error)
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM workflow_heads
     WHERE id = ?2 AND newest = ?3 AND archived_at IS NULL AND deleted_at IS NULL";

fn insert_run(connection: &Connection, commit: &Commit, new: &NewRun) -> Result<bool> {
    let Summary {
        status,
        started_at,
        completed_at,
        error,
    } = &commit.summary;
    let sql = match new.is_newest {
        true => INSERT_RUN_OF_NEWEST,
        false => INSERT_RUN,
    };
    let inserted = connection.prepare_cached(sql)?.execute(params![
        commit.run.as_bytes(),
        new.workflow.as_bytes(),
        new.version,
        status.as_str(),
        new.created_at.as_micros(),
        started_at.map(Timestamp::as_micros),
        completed_at.map(Timestamp::as_micros),
        commit.due_at.map(Timestamp::as_micros),
        error
    ])?;
    Ok(inserted == 1)
}

/// What the row of a run says before it changes.
struct RowBefore {
    workflow: WorkflowId,
    summary: Summary,
    due_at: Option<Timestamp>,
}

fn load_row(connection: &Connection, run: RunId) -> Result<RowBefore> {
    connection
        .prepare_cached(
            "SELECT status, started_at, completed_at, error, due_at, workflow FROM runs WHERE id = ?1",
        )?
        .query_row([run.as_bytes()], |row| {
            let summary = Summary {
                status: columns::status(row, 0)?,
                started_at: columns::optional_time(row, 1)?,
                completed_at: columns::optional_time(row, 2)?,
                error: row.get(3)?,
            };
            Ok(RowBefore {
                workflow: columns::workflow_id(row, 5)?,
                summary,
                due_at: columns::optional_time(row, 4)?,
            })
        })
}

/// Writes what has changed. SQLite rewrites the entry of every index that has one of the named columns, changed or
/// not; so a statement names as few as will do.
fn update_row(
    connection: &Connection,
    commit: &Commit,
    before: &Summary,
    due_before: Option<Timestamp>,
) -> Result<()> {
    let Summary {
        status,
        started_at,
        completed_at,
        error,
    } = &commit.summary;
    let run = commit.run.as_bytes();
    let status = status.as_str();
    let started_at = started_at.map(Timestamp::as_micros);
    let ends = before.completed_at != *completed_at;
    let completed_at = completed_at.map(Timestamp::as_micros);
    let due = match commit.keeps_due {
        true => due_before.or(commit.due_at),
        false => commit.due_at,
    };
    let due_at = due.map(Timestamp::as_micros);
    let update = |sql, params: &[&dyn ToSql]| connection.prepare_cached(sql)?.execute(params);
    match (before != &commit.summary, due_before != due) {
        (true, _) if ends => update(
            "UPDATE runs SET status = ?2, started_at = ?3, completed_at = ?4, due_at = ?5, error = ?6 WHERE id = ?1",
            params![run, status, started_at, completed_at, due_at, error],
        )?,
        (true, true) => update(
            "UPDATE runs SET status = ?2, started_at = ?3, due_at = ?4, error = ?5 WHERE id = ?1",
            params![run, status, started_at, due_at, error],
        )?,
        (true, false) => update(
            "UPDATE runs SET status = ?2, started_at = ?3, error = ?4 WHERE id = ?1",
            params![run, status, started_at, error],
        )?,
        (false, true) => update(
            "UPDATE runs SET due_at = ?2 WHERE id = ?1",
            params![run, due_at],
        )?,
        (false, false) => 0,
    };
    Ok(())
}

//! What is read of runs: journals, lists, what is due.

use millwork_core::event::Seq;
use millwork_core::id::RunId;
use millwork_core::run::{RunStatus, Summary};
use millwork_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{columns, text};
use crate::{Due, Order, RunQuery, RunRow, STRETCH_BYTES_MAX, Stretch, leaf};

pub(super) async fn journal(pool: &PgPool, run: RunId, from: Seq) -> sqlx::Result<Vec<String>> {
    let leaves =
        sqlx::query("SELECT seq, record FROM journal WHERE run = $1 AND seq >= $2 ORDER BY seq")
            .bind(columns::uuid(run))
            .bind(i64::from(from))
            .fetch_all(pool)
            .await?;
    let mut records = Vec::new();
    for row in &leaves {
        let last = columns::seq(row, 0)?;
        records.extend(leaf::records_from(columns::text(row, 1)?, last, from));
    }
    Ok(records)
}

/// The bytes before each leaf are added up in the database, so that what is behind the stretch is not sent: but for one leaf,
/// which tells that there are more.
const STRETCH: &str = "
    SELECT r.status, j.seq, j.record FROM runs r LEFT JOIN LATERAL (
        SELECT seq, record, lag(bytes) OVER (ORDER BY seq) AS before_last FROM (
            SELECT seq, record, sum(octet_length(record)) OVER (ORDER BY seq) - octet_length(record) AS bytes
            FROM (SELECT seq, record FROM journal WHERE run = $1 AND seq >= $2 ORDER BY seq LIMIT $3) AS next
        ) AS summed
    ) j ON j.before_last IS NULL OR j.before_last < $4 WHERE r.id = $1 ORDER BY j.seq";

pub(super) async fn stretch(
    pool: &PgPool,
    run: RunId,
    from: Seq,
    limit: usize,
) -> sqlx::Result<Option<Stretch>> {
    let rows = sqlx::query(STRETCH)
        .bind(columns::uuid(run))
        .bind(i64::from(from))
        .bind(columns::limit(limit.saturating_add(1)))
        .bind(columns::limit(STRETCH_BYTES_MAX))
        .fetch_all(pool)
        .await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let status = columns::status(first, 0)?;
    let mut records = Vec::new();
    for row in &rows {
        if let Some(leaf) = columns::optional_text(row, 2)? {
            records.extend(leaf::records_from(leaf, columns::seq(row, 1)?, from));
        }
    }
    Ok(Some(Stretch::take(status, records, limit)))
}

pub(super) async fn due(
    pool: &PgPool,
    after: Option<Due>,
    before: Timestamp,
    limit: usize,
) -> sqlx::Result<Vec<Due>> {
    let (at, run) = after.map_or((OffsetDateTime::UNIX_EPOCH, None), |after| {
        (columns::to_time(after.at), Some(columns::uuid(after.run)))
    });
    let query = match run {
        // A position is a pair: the index has both, and is entered right behind it.
        Some(run) => sqlx::query(
            "SELECT due_at, id FROM runs WHERE due_at < $1 AND (due_at, id) > ($3, $4) ORDER BY due_at, id LIMIT $2",
        )
        .bind(columns::to_time(before))
        .bind(columns::limit(limit))
        .bind(at)
        .bind(run),
        None => sqlx::query("SELECT due_at, id FROM runs WHERE due_at < $1 ORDER BY due_at, id LIMIT $2")
            .bind(columns::to_time(before))
            .bind(columns::limit(limit)),
    };
    let rows = query.fetch_all(pool).await?;
    let due = rows.iter().map(|row| {
        Ok(Due {
            at: columns::time(row, 0)?,
            run: columns::run_id(row, 1)?,
        })
    });
    due.collect()
}

pub(super) async fn runs(pool: &PgPool, query: &RunQuery) -> sqlx::Result<Vec<RunRow>> {
    let Some((first, last)) = query.id_range() else {
        return Ok(Vec::new());
    };
    let from = query.created_from.unwrap_or(Timestamp::EPOCH);
    let before = query
        .created_before
        .map_or(OffsetDateTime::from_unix_timestamp(253_402_300_799), |at| {
            Ok(columns::to_time(at))
        });
    let mut statement = sqlx::query(AssertSqlSafe(statement(query)))
        .bind(Uuid::from_u128(first))
        .bind(Uuid::from_u128(last))
        .bind(columns::to_time(from))
        .bind(before.unwrap_or(OffsetDateTime::UNIX_EPOCH))
        .bind(query.workflow.map(columns::workflow_uuid))
        .bind(columns::limit(query.limit));
    for (name, value) in &query.labels {
        statement = statement.bind(text::encode(name)).bind(text::encode(value));
    }
    let rows = statement.fetch_all(pool).await?;
    rows.iter().map(read_row).collect()
}

/// The statement of a list. Runs in several states are read state by state, each along its own part of the index, and put
/// together; so a few failures among millions are found without looking at the millions.
fn statement(query: &RunQuery) -> String {
    let direction = match query.order {
        Order::NewestFirst => "DESC",
        Order::OldestFirst => "ASC",
    };
    let workflow = match query.workflow {
        Some(_) => "AND workflow = $5",
        // The parameter has a type all the same.
        None => "AND $5::uuid IS NULL",
    };
    // The runs of a label are found along it, and looked up.
    let (from, id, labels) = match query.labels.is_empty() {
        true => ("runs", "id", String::new()),
        false => (
            "run_labels l JOIN runs ON runs.id = l.run",
            "l.run",
            labels(query.labels.len()),
        ),
    };
    let lane = |status: &str| {
        format!(
            "(SELECT id, workflow, version, created_at, status, started_at, completed_at, error, due_at FROM {from}
              WHERE {labels} {id} BETWEEN $1 AND $2 AND created_at >= $3 AND created_at < $4 {workflow} {status}
              ORDER BY {id} {direction} LIMIT $6)"
        )
    };
    let lanes: Vec<String> = if query.statuses.is_empty() {
        vec![lane("")]
    } else {
        RunStatus::ALL
            .into_iter()
            .filter(|status| query.statuses.contains(status))
            .map(|status| lane(&format!("AND status = '{}'", status.as_str())))
            .collect()
    };
    format!(
        "SELECT r.*, j.record FROM (SELECT * FROM ({lanes}) AS lanes ORDER BY id {direction} LIMIT $6) AS r
         LEFT JOIN LATERAL (SELECT record FROM journal WHERE run = r.id ORDER BY seq LIMIT 1) j ON true
         ORDER BY r.id {direction}",
        lanes = lanes.join(" UNION ALL ")
    )
}

/// That a run has so many labels.
fn labels(count: usize) -> String {
    let others = (1..count).map(|place| {
        let (name, value) = (7 + 2 * place, 8 + 2 * place);
        format!(
            "EXISTS (SELECT 1 FROM run_labels o WHERE o.run = l.run AND o.name = ${name} AND o.value = ${value}) AND "
        )
    });
    let others: String = others.collect();
    format!("l.name = $7 AND l.value = $8 AND {others}")
}

fn read_row(row: &PgRow) -> sqlx::Result<RunRow> {
    let version: i64 = row.try_get(2)?;
    Ok(RunRow {
        run: columns::run_id(row, 0)?,
        workflow: columns::workflow_id(row, 1)?,
        version: u32::try_from(version).unwrap_or(0),
        created_at: columns::time(row, 3)?,
        summary: Summary {
            status: columns::status(row, 4)?,
            started_at: columns::optional_time(row, 5)?,
            completed_at: columns::optional_time(row, 6)?,
            error: columns::optional_text(row, 7)?,
        },
        due_at: columns::optional_time(row, 8)?,
        first_record: columns::optional_text(row, 9)?.map_or_else(String::new, leaf::first),
    })
}

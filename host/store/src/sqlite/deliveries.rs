//! Deliveries: ends of runs that are told to webhooks.

use async_trait::async_trait;
use millwork_core::id::{DeliveryId, RunId};
use millwork_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{Sqlite, claims, columns};
use crate::{
    Came, Deliveries, Delivery, DeliveryCounts, DeliveryQuery, DeliveryState, DeliveryStep, Error,
    Resend,
};

type Answer<T> = std::result::Result<T, Error>;

#[async_trait]
impl Deliveries for Sqlite {
    async fn hand_over(&self, finished: Vec<RunId>, deliveries: Vec<Delivery>) -> Answer<()> {
        let bytes = deliveries.iter().map(|delivery| delivery.body.len()).sum();
        self.writer
            .submit("keep deliveries of finished runs", bytes, move |session| {
                for delivery in &deliveries {
                    insert(session.connection, delivery)?;
                }
                claims::settle(session.connection, &finished)
            })
            .await
    }

    async fn next_delivery_due(&self, webhook: &str) -> Answer<Option<Timestamp>> {
        self.readers.read("find the next delivery", |connection| {
            next_due(connection, webhook)
        })
    }

    async fn claim_deliveries(
        &self,
        webhook: &str,
        before: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Answer<Vec<Delivery>> {
        let webhook = webhook.to_owned();
        self.writer
            .submit("take on deliveries that are due", 0, move |session| {
                claim(session.connection, &webhook, before, until, limit)
            })
            .await
    }

    async fn save_deliveries(&self, steps: Vec<DeliveryStep>) -> Answer<()> {
        self.writer
            .submit("note what came of deliveries", 0, move |session| {
                let connection = session.connection;
                steps.iter().try_for_each(|step| save(connection, step))
            })
            .await
    }

    async fn find_delivery(&self, id: DeliveryId) -> Answer<Option<Delivery>> {
        self.readers
            .read("find a delivery", |connection| find(connection, id))
    }

    async fn list_deliveries(&self, query: DeliveryQuery) -> Answer<Vec<Delivery>> {
        self.read_apart("list deliveries", move |connection| {
            list(connection, &query)
        })
        .await
    }

    async fn resend_deliveries(&self, which: Resend, at: Timestamp, limit: usize) -> Answer<usize> {
        self.writer
            .submit("have deliveries sent again", 0, move |session| {
                resend(session.connection, &which, at, limit)
            })
            .await
    }

    async fn count_deliveries(&self) -> Answer<Vec<DeliveryCounts>> {
        self.read_apart("count the deliveries", count).await
    }

    async fn remove_deliveries(&self, before: Timestamp, limit: usize) -> Answer<usize> {
        self.writer
            .submit("remove old deliveries", 0, move |session| {
                remove(session.connection, before, limit)
            })
            .await
    }
}

const COLUMNS: &str = "id, webhook, run, event, body, created_at, since, attempts, due_at, failure";

fn read(row: &Row<'_>) -> Result<Delivery> {
    Ok(Delivery {
        id: DeliveryId::from_bytes(row.get(0)?),
        webhook: row.get(1)?,
        run: columns::run_id(row, 2)?,
        event: row.get(3)?,
        body: row.get(4)?,
        created_at: columns::time(row, 5)?,
        since: columns::time(row, 6)?,
        attempts: row.get(7)?,
        due_at: columns::optional_time(row, 8)?,
        failure: row.get(9)?,
    })
}

fn insert(connection: &Connection, delivery: &Delivery) -> Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO deliveries ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT DO NOTHING"
        ))?
        .execute(params![
            delivery.id.as_bytes(),
            delivery.webhook,
            delivery.run.as_bytes(),
            delivery.event,
            delivery.body,
            delivery.created_at.as_micros(),
            delivery.since.as_micros(),
            delivery.attempts,
            delivery.due_at.map(Timestamp::as_micros),
            delivery.failure
        ])?;
    Ok(())
}

fn next_due(connection: &Connection, webhook: &str) -> Result<Option<Timestamp>> {
    connection
        .prepare_cached(
            "SELECT min(due_at) FROM deliveries WHERE webhook = ?1 AND due_at IS NOT NULL",
        )?
        .query_row([webhook], |row| columns::optional_time(row, 0))
}

fn claim(
    connection: &Connection,
    webhook: &str,
    before: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<Delivery>> {
    let claimed: Result<Vec<Delivery>> = connection
        .prepare_cached(&format!(
            "UPDATE deliveries SET due_at = ?3, attempts = attempts + 1
             WHERE id IN (SELECT id FROM deliveries WHERE webhook = ?1 AND due_at < ?2 ORDER BY due_at, id LIMIT ?4)
             RETURNING {COLUMNS}"
        ))?
        .query_map(
            params![
                webhook,
                before.as_micros(),
                until.as_micros(),
                columns::limit(limit)
            ],
            read,
        )?
        .collect();
    claimed
}

fn save(connection: &Connection, step: &DeliveryStep) -> Result<()> {
    let id = step.id.as_bytes();
    let (due_at, failure) = match &step.came {
        Came::Delivered => {
            connection
                .prepare_cached("DELETE FROM deliveries WHERE id = ?1")?
                .execute([id])?;
            return Ok(());
        }
        Came::Again { at, failure } => (Some(at.as_micros()), failure),
        Came::Exhausted { failure } => (None, failure),
    };
    connection
        .prepare_cached(
            "UPDATE deliveries SET due_at = ?3, failure = ?4 WHERE id = ?1 AND attempts = ?2",
        )?
        .execute(params![id, step.attempts, due_at, failure])?;
    Ok(())
}

fn find(connection: &Connection, id: DeliveryId) -> Result<Option<Delivery>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM deliveries WHERE id = ?1"))?
        .query_row([id.as_bytes()], read)
        .optional()
}

fn list(connection: &Connection, query: &DeliveryQuery) -> Result<Vec<Delivery>> {
    let state = match query.state {
        None => "",
        Some(DeliveryState::Pending) => "AND due_at IS NOT NULL",
        Some(DeliveryState::Exhausted) => "AND due_at IS NULL",
    };
    let before = query.after.map(|after| after.as_bytes().to_vec());
    let run = query.run.map(|run| run.as_bytes().to_vec());
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM deliveries
             WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR webhook = ?2) AND (?3 IS NULL OR run = ?3) {state}
             ORDER BY id DESC LIMIT ?4"
        ))?
        .query_map(
            params![before, query.webhook, run, columns::limit(query.limit)],
            read,
        )?
        .collect()
}

fn resend(connection: &Connection, which: &Resend, at: Timestamp, limit: usize) -> Result<usize> {
    let at = at.as_micros();
    match which {
        Resend::One(id) => connection
            .prepare_cached("UPDATE deliveries SET due_at = ?2, since = ?2 WHERE id = ?1")?
            .execute(params![id.as_bytes(), at]),
        Resend::Exhausted { webhook } => connection
            .prepare_cached(
                "UPDATE deliveries SET due_at = ?2, since = ?2 WHERE id IN (
                     SELECT id FROM deliveries WHERE due_at IS NULL AND (?1 IS NULL OR webhook = ?1) LIMIT ?3
                 )",
            )?
            .execute(params![webhook, at, columns::limit(limit)]),
    }
}

fn count(connection: &Connection) -> Result<Vec<DeliveryCounts>> {
    let number = |row: &Row<'_>, column| -> Result<u64> {
        Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
    };
    connection
        .prepare_cached(
            // Each half is read from its index alone.
            "SELECT webhook, sum(pending), sum(exhausted) FROM (
                 SELECT webhook, count(*) AS pending, 0 AS exhausted FROM deliveries WHERE due_at IS NOT NULL GROUP BY webhook
                 UNION ALL
                 SELECT webhook, 0, count(*) FROM deliveries WHERE due_at IS NULL GROUP BY webhook
             ) GROUP BY webhook ORDER BY webhook",
        )?
        .query_map([], |row| {
            Ok(DeliveryCounts {
                webhook: row.get(0)?,
                pending: number(row, 1)?,
                exhausted: number(row, 2)?,
            })
        })?
        .collect()
}

fn remove(connection: &Connection, before: Timestamp, limit: usize) -> Result<usize> {
    let first_kept = DeliveryId::from_parts(before, [0; 10]);
    connection
        .prepare_cached(
            "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE id < ?1 ORDER BY id LIMIT ?2)",
        )?
        .execute(params![first_kept.as_bytes(), columns::limit(limit)])
}

//! Deliveries: ends of runs that are told to webhooks.

use async_trait::async_trait;
use millwork_core::id::{DeliveryId, RunId};
use millwork_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, PgPool, Row as _};
use uuid::Uuid;

use super::failure::within;
use super::{Postgres, claims, columns, text};
use crate::{
    Came, Deliveries, Delivery, DeliveryCounts, DeliveryQuery, DeliveryState, DeliveryStep, Error,
    Resend,
};

#[async_trait]
impl Deliveries for Postgres {
    async fn hand_over(
        &self,
        finished: Vec<RunId>,
        deliveries: Vec<Delivery>,
    ) -> Result<(), Error> {
        let hand_over = hand_over(&self.pool, &finished, &deliveries);
        within("keep deliveries of finished runs", hand_over).await
    }

    async fn next_delivery_due(&self, webhook: &str) -> Result<Option<Timestamp>, Error> {
        within("find the next delivery", next_due(&self.pool, webhook)).await
    }

    async fn claim_deliveries(
        &self,
        webhook: &str,
        before: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let claim = claim(&self.pool, webhook, before, until, limit);
        within("take on deliveries that are due", claim).await
    }

    async fn save_deliveries(&self, steps: Vec<DeliveryStep>) -> Result<(), Error> {
        within("note what came of deliveries", save(&self.pool, &steps)).await
    }

    async fn find_delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        within("find a delivery", find(&self.pool, id)).await
    }

    async fn list_deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, Error> {
        within("list deliveries", list(&self.pool, &query)).await
    }

    async fn resend_deliveries(
        &self,
        which: Resend,
        at: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        let resend = resend(&self.pool, &which, at, limit);
        within("have deliveries sent again", resend).await
    }

    async fn count_deliveries(&self) -> Result<Vec<DeliveryCounts>, Error> {
        within("count the deliveries", count(&self.pool)).await
    }

    async fn remove_deliveries(&self, before: Timestamp, limit: usize) -> Result<usize, Error> {
        within("remove old deliveries", remove(&self.pool, before, limit)).await
    }
}

/// The columns of a delivery, as [`read`] takes them.
macro_rules! columns {
    () => {
        "id, webhook, run, event, body, created_at, since, attempts, due_at, failure"
    };
}

fn read(row: &PgRow) -> sqlx::Result<Delivery> {
    let attempts: i64 = row.try_get(7)?;
    Ok(Delivery {
        id: DeliveryId::from_bytes(row.try_get::<Uuid, _>(0)?.into_bytes()),
        webhook: columns::text(row, 1)?,
        run: columns::run_id(row, 2)?,
        event: columns::text(row, 3)?,
        body: columns::text(row, 4)?,
        created_at: columns::time(row, 5)?,
        since: columns::time(row, 6)?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        due_at: columns::optional_time(row, 8)?,
        failure: columns::optional_text(row, 9)?,
    })
}

async fn hand_over(pool: &PgPool, finished: &[RunId], deliveries: &[Delivery]) -> sqlx::Result<()> {
    if deliveries.is_empty() {
        return claims::settle(pool, finished).await;
    }
    let mut transaction = pool.begin().await?;
    insert(&mut *transaction, deliveries).await?;
    claims::settle(&mut *transaction, finished).await?;
    transaction.commit().await
}

/// In the order of their keys, so that two processes that keep the same ones do not wait for each other.
const INSERT: &str = concat!(
    "INSERT INTO deliveries (",
    columns!(),
    ") SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                            $8::bigint[], $9::timestamptz[], $10::text[]) AS d (",
    columns!(),
    ") ORDER BY id ON CONFLICT (id) DO NOTHING"
);

async fn insert(executor: impl PgExecutor<'_>, deliveries: &[Delivery]) -> sqlx::Result<()> {
    let all = || deliveries.iter();
    let texts = |of: fn(&Delivery) -> &str| -> Vec<String> {
        all().map(|d| text::encode(of(d)).into_owned()).collect()
    };
    let failures = all().map(|d| d.failure.as_deref().map(|f| text::encode(f).into_owned()));
    sqlx::query(INSERT)
        .bind(all().map(|d| *d.id.as_uuid()).collect::<Vec<_>>())
        .bind(texts(|d| &d.webhook))
        .bind(all().map(|d| columns::uuid(d.run)).collect::<Vec<_>>())
        .bind(texts(|d| &d.event))
        .bind(texts(|d| &d.body))
        .bind(
            all()
                .map(|d| columns::to_time(d.created_at))
                .collect::<Vec<_>>(),
        )
        .bind(all().map(|d| columns::to_time(d.since)).collect::<Vec<_>>())
        .bind(all().map(|d| i64::from(d.attempts)).collect::<Vec<_>>())
        .bind(
            all()
                .map(|d| d.due_at.map(columns::to_time))
                .collect::<Vec<_>>(),
        )
        .bind(failures.collect::<Vec<_>>())
        .execute(executor)
        .await?;
    Ok(())
}

async fn next_due(pool: &PgPool, webhook: &str) -> sqlx::Result<Option<Timestamp>> {
    let row =
        sqlx::query("SELECT min(due_at) FROM deliveries WHERE webhook = $1 AND due_at IS NOT NULL")
            .bind(text::encode(webhook))
            .fetch_one(pool)
            .await?;
    columns::optional_time(&row, 0)
}

/// What another process claims at the same moment is passed over, not waited for.
const CLAIM: &str = concat!(
    "UPDATE deliveries SET due_at = $3, attempts = attempts + 1
     WHERE id IN (SELECT id FROM deliveries WHERE webhook = $1 AND due_at < $2 ORDER BY due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED)
     RETURNING ",
    columns!()
);

async fn claim(
    pool: &PgPool,
    webhook: &str,
    before: Timestamp,
    until: Timestamp,
    limit: usize,
) -> sqlx::Result<Vec<Delivery>> {
    let claimed = sqlx::query(CLAIM)
        .bind(text::encode(webhook))
        .bind(columns::to_time(before))
        .bind(columns::to_time(until))
        .bind(columns::limit(limit))
        .fetch_all(pool)
        .await?;
    claimed.iter().map(read).collect()
}

async fn save(pool: &PgPool, steps: &[DeliveryStep]) -> sqlx::Result<()> {
    let mut arrived = Vec::new();
    let (mut ids, mut attempts, mut due_at, mut failures) = (vec![], vec![], vec![], vec![]);
    for step in steps {
        let (at, failure) = match &step.came {
            Came::Delivered => {
                arrived.push(*step.id.as_uuid());
                continue;
            }
            Came::Again { at, failure } => (Some(columns::to_time(*at)), failure),
            Came::Exhausted { failure } => (None, failure),
        };
        ids.push(*step.id.as_uuid());
        attempts.push(i64::from(step.attempts));
        due_at.push(at);
        failures.push(text::encode(failure).into_owned());
    }
    if !arrived.is_empty() {
        sqlx::query("DELETE FROM deliveries WHERE id = ANY($1)")
            .bind(arrived)
            .execute(pool)
            .await?;
    }
    if !ids.is_empty() {
        sqlx::query(
            "UPDATE deliveries SET due_at = s.due_at, failure = s.failure
             FROM UNNEST($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[]) AS s (id, attempts, due_at, failure)
             WHERE deliveries.id = s.id AND deliveries.attempts = s.attempts",
        )
        .bind(ids)
        .bind(attempts)
        .bind(due_at)
        .bind(failures)
        .execute(pool)
        .await?;
    }
    Ok(())
}

async fn find(pool: &PgPool, id: DeliveryId) -> sqlx::Result<Option<Delivery>> {
    sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM deliveries WHERE id = $1"
    ))
    .bind(id.as_uuid())
    .fetch_optional(pool)
    .await?
    .as_ref()
    .map(read)
    .transpose()
}

const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM deliveries
      WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR webhook = $2) AND ($3::uuid IS NULL OR run = $3)
        AND ($4::boolean IS NULL OR (due_at IS NULL) = $4)
      ORDER BY id DESC LIMIT $5"
);

async fn list(pool: &PgPool, query: &DeliveryQuery) -> sqlx::Result<Vec<Delivery>> {
    let is_exhausted = query.state.map(|state| state == DeliveryState::Exhausted);
    let rows = sqlx::query(LIST)
        .bind(query.after.map(|after| *after.as_uuid()))
        .bind(query.webhook.as_deref().map(text::encode))
        .bind(query.run.map(columns::uuid))
        .bind(is_exhausted)
        .bind(columns::limit(query.limit))
        .fetch_all(pool)
        .await?;
    rows.iter().map(read).collect()
}

async fn resend(pool: &PgPool, which: &Resend, at: Timestamp, limit: usize) -> sqlx::Result<usize> {
    let at = columns::to_time(at);
    let query = match which {
        Resend::One(id) => {
            sqlx::query("UPDATE deliveries SET due_at = $1, since = $1 WHERE id = $2")
                .bind(at)
                .bind(id.as_uuid())
        }
        Resend::Exhausted { webhook } => sqlx::query(
            "UPDATE deliveries SET due_at = $1, since = $1 WHERE id IN (
                 SELECT id FROM deliveries WHERE due_at IS NULL AND ($2::text IS NULL OR webhook = $2)
                 LIMIT $3 FOR UPDATE SKIP LOCKED
             )",
        )
        .bind(at)
        .bind(webhook.as_deref().map(text::encode))
        .bind(columns::limit(limit)),
    };
    let resent = query.execute(pool).await?;
    Ok(usize::try_from(resent.rows_affected()).unwrap_or(usize::MAX))
}

/// Each half is read from its index alone.
const COUNT: &str = "
    SELECT webhook, sum(pending)::bigint, sum(exhausted)::bigint FROM (
        SELECT webhook, count(*) AS pending, 0 AS exhausted FROM deliveries WHERE due_at IS NOT NULL GROUP BY webhook
        UNION ALL
        SELECT webhook, 0, count(*) FROM deliveries WHERE due_at IS NULL GROUP BY webhook
    ) AS counted GROUP BY webhook ORDER BY webhook";

async fn count(pool: &PgPool) -> sqlx::Result<Vec<DeliveryCounts>> {
    let number = |row: &PgRow, column| -> sqlx::Result<u64> {
        Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
    };
    let rows = sqlx::query(COUNT).fetch_all(pool).await?;
    let counted = rows.iter().map(|row| {
        Ok(DeliveryCounts {
            webhook: columns::text(row, 0)?,
            pending: number(row, 1)?,
            exhausted: number(row, 2)?,
        })
    });
    counted.collect()
}

async fn remove(pool: &PgPool, before: Timestamp, limit: usize) -> sqlx::Result<usize> {
    let first_kept = DeliveryId::from_parts(before, [0; 10]);
    let removed = sqlx::query(
        "DELETE FROM deliveries WHERE id IN (
             SELECT id FROM deliveries WHERE id < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
    )
    .bind(first_kept.as_uuid())
    .bind(columns::limit(limit))
    .execute(pool)
    .await?;
    Ok(usize::try_from(removed.rows_affected()).unwrap_or(usize::MAX))
}

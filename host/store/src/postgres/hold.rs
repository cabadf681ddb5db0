//! Who may be alone on a database.
//!
//! A worker without a broker has to be the only one: nobody would tell another of its runs. Workers with a broker share. Both
//! say so by a lock that lives as long as a connection does, so a process that dies leaves nothing behind.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Options, failure};
use crate::Error;

/// What the lock is known by, among all that use the same database: `MLWKHOLD` in ASCII.
const LOCK: i64 = 0x4d4c_574b_484f_4c44;

/// How often the connection is looked after.
const BEAT: Duration = Duration::from_secs(2);

/// How a process uses a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// As the only one.
    Alone,
    /// With others.
    Shared,
}

/// A hold on a database, until it is dropped.
#[derive(Debug)]
pub struct Held {
    is_lost: watch::Receiver<bool>,
    keeper: JoinHandle<()>,
}

impl Held {
    pub(super) async fn take(options: &Options, hold: Hold) -> Result<Self, Error> {
        let connection = connect(options, hold).await?.ok_or_else(|| Error::InUse {
            path: format!("the database {options}"),
            remedy: match hold {
                Hold::Alone => {
                    "without Kafka there can be one worker on a database; set KAFKA_BOOTSTRAP_SERVERS for both, or stop the other"
                }
                Hold::Shared => {
                    "it runs without Kafka, and so has to be alone; stop it, or set KAFKA_BOOTSTRAP_SERVERS for it too"
                }
            },
        })?;
        let (lost, is_lost) = watch::channel(false);
        let keeper = tokio::spawn(keep(connection, options.clone(), hold, lost));
        Ok(Self { is_lost, keeper })
    }

    /// Waits until another process has got in between, as it may while the database cannot be reached.
    pub async fn lost(&self) {
        let mut is_lost = self.is_lost.clone();
        if is_lost.wait_for(|lost| *lost).await.is_err() {
            // The keeper has ended without a word: it was aborted with this.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// A connection that has the lock; nothing where another process stands in the way.
async fn connect(options: &Options, hold: Hold) -> Result<Option<PgConnection>, Error> {
    let failed = failure::of("take the lock of the database");
    let mut connection = PgConnection::connect_with(&options.connect)
        .await
        .map_err(&failed)?;
    let sql = match hold {
        Hold::Alone => "SELECT pg_try_advisory_lock($1)",
        Hold::Shared => "SELECT pg_try_advisory_lock_shared($1)",
    };
    let is_taken: bool = sqlx::query_scalar(sql)
        .bind(LOCK)
        .fetch_one(&mut connection)
        .await
        .map_err(&failed)?;
    Ok(is_taken.then_some(connection))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the beat of a connection is no time of the domain"
)]
async fn keep(connection: PgConnection, options: Options, hold: Hold, lost: watch::Sender<bool>) {
    let mut connection = Some(connection);
    loop {
        tokio::time::sleep(BEAT).await;
        if let Some(held) = &mut connection
            && held.ping().await.is_ok()
        {
            continue;
        }
        connection = None;
        match connect(&options, hold).await {
            Ok(Some(again)) => connection = Some(again),
            Ok(None) => {
                lost.send_replace(true);
                return;
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not take the lock of the database again; trying again"
            ),
        }
    }
}

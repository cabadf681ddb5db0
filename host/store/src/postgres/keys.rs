//! Idempotency keys: which run has which.

use std::collections::{BTreeMap, HashMap, HashSet};

use millwork_core::digest::Digest;
use millwork_core::id::RunId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{columns, text};
use crate::{Commit, Committed, Idempotency, NewRun};

pub(super) fn key_of(commit: &Commit) -> Option<(&NewRun, &Idempotency)> {
    let new = commit.new.as_ref()?;
    Some((new, new.idempotency.as_ref()?))
}

const EXISTING: &str = "SELECT id FROM runs WHERE id = ANY($1)";

/// Away with what has expired: then a key that is there is held.
const EXPIRE: &str = "
    DELETE FROM idempotency USING UNNEST($1::uuid[], $2::text[], $3::timestamptz[]) AS c (workflow, key, now)
    WHERE idempotency.workflow = c.workflow AND idempotency.key = c.key AND idempotency.expires_at <= c.now";

const CLAIM: &str = "
    INSERT INTO idempotency (workflow, key, run, fingerprint, expires_at)
    SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::bytea[], $5::timestamptz[])
    ON CONFLICT (workflow, key) DO NOTHING
    RETURNING run";

const HOLDERS: &str = "
    SELECT c.run, i.run, i.fingerprint FROM UNNEST($1::uuid[], $2::text[], $3::uuid[]) AS c (workflow, key, run)
    JOIN idempotency i ON i.workflow = c.workflow AND i.key = c.key";

/// Gives each key to its run, unless another has it still; what remains of `creating` may be created.
pub(super) async fn claim_keys(
    connection: &mut PgConnection,
    creating: &mut Vec<usize>,
    commits: &[Commit],
    answers: &mut [Committed],
) -> sqlx::Result<()> {
    // A run that exists conflicts, also where its own key made it; and its key must not be taken for it.
    let runs: Vec<Uuid> = creating
        .iter()
        .map(|place| columns::uuid(commits[*place].run))
        .collect();
    let existing = sqlx::query(EXISTING)
        .bind(runs)
        .fetch_all(&mut *connection)
        .await?;
    let existing: HashSet<RunId> = existing
        .iter()
        .map(|row| columns::run_id(row, 0))
        .collect::<sqlx::Result<_>>()?;
    creating.retain(|place| !existing.contains(&commits[*place].run));

    let keyed = creating.iter().filter_map(|place| {
        let commit = &commits[*place];
        key_of(commit).map(|(new, key)| (commit.run, new, key))
    });
    // In the order of their keys, for the same reason as runs.
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_by(|(_, a, a_key), (_, b, b_key)| {
        (a.workflow, &a_key.key).cmp(&(b.workflow, &b_key.key))
    });
    let workflows: Vec<_> = keyed
        .iter()
        .map(|(_, new, _)| columns::workflow_uuid(new.workflow))
        .collect();
    let keys: Vec<_> = keyed
        .iter()
        .map(|(_, _, key)| text::encode(&key.key).into_owned())
        .collect();
    let runs: Vec<_> = keyed
        .iter()
        .map(|(run, _, _)| columns::uuid(*run))
        .collect();
    let now: Vec<_> = keyed
        .iter()
        .map(|(_, new, _)| columns::to_time(new.created_at))
        .collect();
    let prints: Vec<_> = keyed
        .iter()
        .map(|(_, _, key)| key.fingerprint.as_bytes().to_vec())
        .collect();
    let expires: Vec<_> = keyed
        .iter()
        .map(|(_, _, key)| columns::to_time(key.expires_at))
        .collect();
    sqlx::query(EXPIRE)
        .bind(&workflows)
        .bind(&keys)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    let claimed = sqlx::query(CLAIM)
        .bind(&workflows)
        .bind(&keys)
        .bind(&runs)
        .bind(prints)
        .bind(expires)
        .fetch_all(&mut *connection)
        .await?;
    if claimed.len() == keyed.len() {
        return Ok(());
    }
    let claimed: HashSet<RunId> = claimed
        .iter()
        .map(|row| columns::run_id(row, 0))
        .collect::<sqlx::Result<_>>()?;
    let rows = sqlx::query(HOLDERS)
        .bind(&workflows)
        .bind(&keys)
        .bind(&runs)
        .fetch_all(&mut *connection)
        .await?;
    let mut holders: HashMap<RunId, (RunId, Digest)> = HashMap::new();
    for row in &rows {
        let holder = (columns::run_id(row, 1)?, columns::digest(row, 2)?);
        holders.insert(columns::run_id(row, 0)?, holder);
    }
    creating.retain(|place| {
        let run = commits[*place].run;
        if key_of(&commits[*place]).is_none() || claimed.contains(&run) {
            return true;
        }
        if let Some((run, fingerprint)) = holders.get(&run) {
            answers[*place] = Committed::Replayed {
                run: *run,
                fingerprint: *fingerprint,
            };
        }
        false
    });
    Ok(())
}

/// Gives keys back that were taken for runs which are refused after all.
pub(super) async fn release_keys(
    connection: &mut PgConnection,
    commits: &[Commit],
    refused: &BTreeMap<usize, Committed>,
) -> sqlx::Result<()> {
    let keyed = || {
        let refused = refused.keys().map(|place| &commits[*place]);
        refused.filter_map(|commit| key_of(commit).map(|(new, key)| (commit.run, new, key)))
    };
    let runs: Vec<_> = keyed().map(|(run, ..)| columns::uuid(run)).collect();
    let workflows: Vec<_> = keyed()
        .map(|(_, new, _)| columns::workflow_uuid(new.workflow))
        .collect();
    let keys: Vec<_> = keyed()
        .map(|(.., key)| text::encode(&key.key).into_owned())
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM idempotency USING UNNEST($1::uuid[], $2::text[], $3::uuid[]) AS c (workflow, key, run)
         WHERE idempotency.workflow = c.workflow AND idempotency.key = c.key AND idempotency.run = c.run",
    )
    .bind(workflows)
    .bind(keys)
    .bind(runs)
    .execute(connection)
    .await?;
    Ok(())
}

//! Removes what nobody needs any more: finished runs past their age, idempotency keys past their time.

use std::time::Duration;

use millwork_core::time::Timestamp;

use super::Engine;

/// Runs removed at once.
const RETENTION_BATCH: usize = 1_000;

/// Workflows forgotten at once.
const WORKFLOWS_BATCH: usize = 100;

/// How long what is left of a deleted workflow stays at least: longer than any write that began before takes.
const DELETED_KEPT: Duration = Duration::from_secs(60 * 60);

/// How often the store is asked for runs to remove.
const RETENTION_EVERY: Duration = Duration::from_secs(60);

pub(super) async fn remove_old_runs(engine: Engine) {
    let parts = &engine.0;
    loop {
        let now = parts.clock.now();
        let kept = parts.options.retention.map_or(now.as_micros(), |age| {
            i64::try_from(age.as_micros()).unwrap_or(i64::MAX)
        });
        let before = Timestamp::from_micros(now.as_micros().saturating_sub(kept));
        match parts
            .store
            .remove_finished(before, now, RETENTION_BATCH)
            .await
        {
            // There may be more: go on at once, batch by batch, so that nobody waits behind a long deletion.
            Ok(removed) if removed == RETENTION_BATCH => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not remove old runs; trying again"
                );
            }
        }
        forget_workflows(&engine, now).await;
        if let Err(error) = parts.store.remove_jobs(before, RETENTION_BATCH).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not remove old jobs; trying again"
            );
        }
        remove_old_deliveries(&engine, now).await;
        parts.clock.sleep_until(now.after(RETENTION_EVERY)).await;
    }
}

/// Removes deliveries that nobody has had sent again for long enough, and those to webhooks that are none any more.
async fn remove_old_deliveries(engine: &Engine, now: Timestamp) {
    let parts = &engine.0;
    let kept = i64::try_from(parts.options.deliveries_kept.as_micros()).unwrap_or(i64::MAX);
    let before = Timestamp::from_micros(now.as_micros().saturating_sub(kept));
    loop {
        match parts.store.remove_deliveries(before, RETENTION_BATCH).await {
            Ok(0) => return,
            Ok(removed) => tracing::warn!(
                deliveries = removed,
                "removed deliveries that have not arrived, and were kept for as long as the configuration says (events.kept)"
            ),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not remove old deliveries; trying again"
                );
                return;
            }
        }
    }
}

/// Removes what is left of deleted workflows of which there are no runs any more.
async fn forget_workflows(engine: &Engine, now: Timestamp) {
    let kept = i64::try_from(DELETED_KEPT.as_micros()).unwrap_or(i64::MAX);
    let before = Timestamp::from_micros(now.as_micros().saturating_sub(kept));
    if let Err(error) = engine.0.store.remove_deleted(before, WORKFLOWS_BATCH).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "could not remove what is left of deleted workflows; trying again"
        );
    }
}

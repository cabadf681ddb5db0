//! How due runs come to a process that shares the store with others: it claims what becomes due and renews its claims on
//! what it has in hand. A run whose process died, and one whose hint was lost, is claimed by whoever comes by when its
//! claim has run out.

use std::time::Duration;

use millwork_bus::Notice;
use millwork_core::id::RunId;
use millwork_core::time::Timestamp;
use millwork_store::{Claim, Due, Renewal};

use super::Engine;
use super::claims::Claims;
use super::schedule::Soon;
use crate::telemetry;

/// Runs claimed at once, and claims renewed at once.
const PAGE: usize = 1_000;

/// How often, in the time for which it looks ahead, a process looks for what becomes due.
const LOOKS: u32 = 2;

/// How long to leave the store alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Claims what becomes due, as much as there is room for.
pub(super) async fn claim_ahead(engine: Engine, timeout: Duration) {
    let parts = &engine.0;
    let ahead = Claims::ahead(timeout);
    loop {
        // A process that cannot execute more leaves the rest to others.
        let room = parts.bus.room().await;
        if room == 0 {
            return;
        }
        let now = parts.clock.now();
        let limit = room.saturating_sub(parts.schedule.len()).min(PAGE);
        let claim = Claim {
            among: None,
            before: now.after(ahead),
            until: now.after(ahead).after(timeout),
            limit,
        };
        let until = claim.until;
        let claimed = if limit == 0 {
            Ok(Vec::new())
        } else {
            parts.store.claim_due(claim).await
        };
        match claimed {
            Ok(claimed) => {
                metrics::counter!(telemetry::RUNS_CLAIMED)
                    .increment(u64::try_from(claimed.len()).unwrap_or(u64::MAX));
                let is_all = claimed.len() < limit;
                for Due { at, run } in claimed {
                    parts.schedule.add(Soon { at, run, until });
                }
                if is_all || limit == 0 {
                    parts.clock.sleep_until(now.after(ahead / LOOKS)).await;
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not claim what is due; trying again"
                );
                parts.clock.sleep_until(now.after(PAUSE)).await;
            }
        }
    }
}

/// Claims one run of which there was a hint. Nothing where it is not due: somebody sees to it, or there is nothing to do.
pub(super) async fn claim_one(
    engine: &Engine,
    run: RunId,
    timeout: Duration,
) -> Result<Option<Timestamp>, millwork_store::Error> {
    let now = engine.0.clock.now();
    let until = now.after(timeout);
    let claim = Claim {
        among: Some(vec![run]),
        before: now.after(Duration::from_micros(1)),
        until,
        limit: 1,
    };
    let claimed = engine.0.store.claim_due(claim).await?;
    Ok((!claimed.is_empty()).then_some(until))
}

/// Takes on a new run that others may have been told of, before its first claim has run out: whoever moves that has it.
pub(super) async fn accept(
    engine: &Engine,
    run: RunId,
    began: Timestamp,
    timeout: Duration,
) -> Result<Option<Timestamp>, millwork_store::Error> {
    let from = engine.0.claims.in_hand(began, began);
    // Moved by some amount, however fast we are: the next one has to find it elsewhere.
    let moved = from.after(Duration::from_micros(1));
    let to = engine.0.clock.now().after(timeout).max(moved);
    let renewal = Renewal {
        run,
        from,
        to: Some(to),
    };
    let accepted = engine.0.store.renew(vec![renewal]).await?;
    Ok((accepted == [true]).then_some(to))
}

/// Renews the claims on what is in hand, so that a step may take as long as it likes.
pub(super) async fn renew(engine: Engine, timeout: Duration) {
    let parts = &engine.0;
    loop {
        let now = parts.clock.now();
        parts.clock.sleep_until(now.after(timeout / 3)).await;
        let now = parts.clock.now();
        let worn = |until| Claims::is_worn(timeout, until, now);
        let held = parts.registry.driven(worn);
        for page in held.chunks(PAGE) {
            let to = now.after(timeout);
            let renewals = page.iter().map(|(run, handle)| Renewal {
                run: *run,
                from: handle.claimed_until(),
                to: Some(to),
            });
            let renewals: Vec<_> = renewals.collect();
            match parts.store.renew(renewals.clone()).await {
                Ok(answers) => {
                    for (((_, handle), renewal), held) in page.iter().zip(renewals).zip(answers) {
                        if held {
                            handle.renewed(renewal.from, to);
                        } else {
                            // Somebody has taken it on, or ended it; or the driver has just committed. It looks.
                            handle.knock();
                        }
                    }
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not renew the claims on runs in hand; trying again"
                ),
            }
        }
    }
}

/// Lets go of everything that this process sees to, so that others need not wait until its claims run out.
pub(super) async fn release(engine: &Engine) {
    let parts = &engine.0;
    let now = parts.clock.now();
    let waiting = parts.schedule.take_all().into_iter();
    let waiting = waiting.map(|soon| Renewal {
        run: soon.run,
        from: soon.until,
        to: Some(soon.at),
    });
    let driven = parts.registry.driven(|_| true).into_iter();
    let driven = driven.map(|(run, handle)| Renewal {
        run,
        from: handle.claimed_until(),
        to: Some(now),
    });
    let mut renewals: Vec<_> = waiting.chain(driven).collect();
    renewals.sort_by_key(|renewal| renewal.run);
    renewals.dedup_by_key(|renewal| renewal.run);
    for page in renewals.chunks(PAGE) {
        if let Err(error) = parts.store.renew(page.to_vec()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not let go of the runs in hand; others take them on when their claims have run out"
            );
            return;
        }
    }
    if !renewals.is_empty() {
        tracing::info!(runs = renewals.len(), "let go of the runs in hand");
    }
}

/// Passes on what other processes tell.
pub(super) async fn listen(engine: Engine) {
    let parts = &engine.0;
    while let Some(notice) = parts.bus.notice().await {
        match notice {
            Notice::Changed(run) => {
                parts.watchers.tell(run);
                engine.look_again(run);
            }
            Notice::Ended(run) => {
                parts.watchers.tell(run);
                parts.waiters.tell(run);
            }
        }
    }
}

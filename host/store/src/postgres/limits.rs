//! Limits: lays on the desk what a round of commits can touch, and writes back what was decided. Only rounds in which
//! somebody asks something of limits come here.
//!
//! Whoever changes anything about a key has locked its row in `limits`. Rows are taken in one order, first of the slots and
//! then of the rates, so that no two processes wait for each other. What is read after that stands still until the end of
//! the transaction.

mod rows;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use millwork_core::id::RunId;
use millwork_core::time::Timestamp;
use sqlx::{PgConnection, Row as _};

pub(super) use rows::{find_turn, forget_idle, list, list_outdone};

use super::columns;
use crate::limits::desk::{Answer, Desk};
use crate::limits::records::Admission;
use crate::limits::{LimitKey, LimitKind, Passed};
use crate::{Commit, Committed};

/// A commit that asks something of limits, by its place in the batch.
#[derive(Clone, Copy)]
pub(super) struct Asking<'c> {
    pub(super) place: usize,
    pub(super) commit: &'c Commit,
}

/// What was decided about those who asked.
#[derive(Default)]
pub(super) struct Decided {
    /// What is to be written, by place, and the answer once it is.
    pub(super) shaped: BTreeMap<usize, (Commit, Committed)>,
    /// Who is refused.
    pub(super) refused: BTreeMap<usize, Committed>,
    /// Runs whose turn comes: when, and by the commit at which place.
    pub(super) woken: BTreeMap<RunId, (Timestamp, usize)>,
}

/// Decides what those ask who can be written at all, in the order of the batch, and writes it down, but for the commits
/// themselves and the rows of those whose turn has come: see [`wake`].
pub(super) async fn decide(
    connection: &mut PgConnection,
    asking: &[Asking<'_>],
) -> sqlx::Result<Decided> {
    let (mut desk, made) = lay_out(connection, asking).await?;
    let standing = lock_runs(connection, asking).await?;
    let mut decided = Decided::default();
    for Asking { place, commit } in asking {
        let has_place = match standing.get(&commit.run) {
            None => commit.new.is_some(),
            Some(next_seq) => commit.new.is_none() && *next_seq == i64::from(commit.first_seq),
        };
        let Some(passage) = commit.passage.as_ref().filter(|_| has_place) else {
            continue;
        };
        let mut woken = Vec::new();
        match desk.pass(commit.run, passage, &mut woken) {
            Answer::Full(full) => {
                decided.refused.insert(*place, Committed::Full(full));
            }
            Answer::Passed(outcome) => {
                for due in &woken {
                    decided.woken.insert(due.run, (due.at, *place));
                }
                let shaped = Commit::clone(commit).shaped(passage.clone(), outcome);
                let answer = Committed::Passed(Passed { outcome, woken });
                decided.shaped.insert(*place, (shaped, answer));
            }
        }
    }
    let mut changes = desk.take_changes();
    for key in made {
        // A row that was made to be locked, and is not needed.
        changes.counters.entry(key).or_insert(None);
    }
    write::changes(connection, &changes).await?;
    Ok(decided)
}

/// Makes the rows of runs whose turn comes due then, at the latest.
pub(super) async fn wake(
    connection: &mut PgConnection,
    woken: &BTreeMap<RunId, (Timestamp, usize)>,
) -> sqlx::Result<()> {
    write::wake(connection, woken).await
}

/// Where the journals of the runs go on that exist; nobody moves them before the end of the transaction.
async fn lock_runs(
    connection: &mut PgConnection,
    asking: &[Asking<'_>],
) -> sqlx::Result<HashMap<RunId, i64>> {
    let runs: Vec<_> = asking
        .iter()
        .map(|asking| columns::uuid(asking.commit.run))
        .collect();
    let rows =
        sqlx::query("SELECT id, next_seq FROM runs WHERE id = ANY($1) ORDER BY id FOR UPDATE")
            .bind(runs)
            .fetch_all(connection)
            .await?;
    rows.iter()
        .map(|row| Ok((columns::run_id(row, 0)?, row.try_get(1)?)))
        .collect()
}

/// How often each key is asked of, and what is said of its limit.
#[derive(Default)]
struct Asked(BTreeMap<LimitKey, (usize, Option<u32>)>);

impl Asked {
    fn count(&mut self, key: LimitKey, limit: Option<u32>) {
        let (count, known) = self.0.entry(key).or_default();
        *count += 1;
        *known = known.or(limit);
    }

    fn of(&self, key: &LimitKey) -> (usize, Option<u32>) {
        self.0.get(key).copied().unwrap_or_default()
    }

    fn keys(&self, kind: LimitKind) -> Vec<LimitKey> {
        let of_kind = self.0.keys().filter(|key| key.kind == kind);
        of_kind.cloned().collect()
    }
}

/// Lays out what can be touched. Returns the keys too whose rows were made to be locked.
async fn lay_out(
    connection: &mut PgConnection,
    asking: &[Asking<'_>],
) -> sqlx::Result<(Desk, Vec<LimitKey>)> {
    let mut desk = Desk::default();
    let runs: Vec<RunId> = asking.iter().map(|asking| asking.commit.run).collect();
    // A first look only for their keys, which stay the same for as long as they are there.
    let known: HashMap<RunId, Admission> = rows::admissions(connection, &runs)
        .await?
        .into_iter()
        .collect();
    let mut asked = Asked::default();
    for Asking { commit, .. } in asking {
        let Some(passage) = &commit.passage else {
            continue;
        };
        let mut keys: BTreeSet<LimitKey> = passage.keys().collect();
        keys.extend(known.get(&commit.run).iter().flat_map(|known| known.keys()));
        for key in keys {
            let limit = passage.limit(key.kind);
            asked.count(key, limit);
        }
    }
    let mut made = Vec::new();

    let slots = asked.keys(LimitKind::Concurrency);
    let mut heads = Vec::new();
    for (key, counter) in rows::lock(connection, &slots, &mut made).await? {
        let (count, limit) = asked.of(&key);
        heads.push((key.clone(), counter.slot_heads(limit, count)));
        desk.lay_counter(key, counter);
    }
    let mut laid: HashSet<RunId> = HashSet::new();
    for (run, admission) in rows::heads(connection, LimitKind::Concurrency, &heads).await? {
        // Who comes off this queue goes on to the queue of its own rate.
        for key in admission.keys().filter(|key| key.kind == LimitKind::Rate) {
            asked.count(key, None);
        }
        laid.insert(run);
        desk.lay_admission(run, admission);
    }

    let rates = asked.keys(LimitKind::Rate);
    let (mut heads, mut starts) = (Vec::new(), Vec::new());
    for (key, counter) in rows::lock(connection, &rates, &mut made).await? {
        let (count, limit) = asked.of(&key);
        heads.push((key.clone(), counter.rate_heads(count)));
        let (first, starts_count) = counter.starts(limit, count);
        starts.push((key.clone(), first, starts_count));
        desk.lay_counter(key, counter);
    }
    for (run, admission) in rows::heads(connection, LimitKind::Rate, &heads).await? {
        laid.insert(run);
        desk.lay_admission(run, admission);
    }
    for (key, number, at) in rows::starts(connection, &starts).await? {
        desk.lay_start(key, number, at);
    }

    // Read again: the first look was before the locks.
    for (run, admission) in rows::admissions(connection, &runs).await? {
        if !laid.contains(&run) {
            desk.lay_admission(run, admission);
        }
    }
    Ok((desk, made))
}

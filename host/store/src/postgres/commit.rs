//! The write that advances runs, a whole batch at a time.
//!
//! To advance is one statement: the rows are updated where their `next_seq` is what the commit expects, and the records of
//! those that were are appended. PostgreSQL looks at the condition again when it had to wait for another process's update of
//! the row, so of two that want the same place one finds it taken. The journal's key says the same once more.
//!
//! A batch is taken in rounds: within a round no run and no idempotency key comes twice, so the commits of a round can be
//! written in any order. One round is the rule. Commits that ask something of limits are decided first, in their order: see
//! `limits`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use millwork_core::id::{RunId, WorkflowId};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::counts::count;
use super::keys::{claim_keys, key_of, release_keys};
use super::labels::LabelColumns;
use super::limits::{self, Asking, Decided};
use super::newest::{asks_for_newest, drop_outdated, note_outdated};
use super::{columns, failure, text};
use crate::limits::{LimitKey, LimitKind, Passage};
use crate::{Commit, Committed, leaf};

/// How often a batch is sent that met another in the wrong order.
const TRIES: u32 = 5;

/// Writes all of them, or says why none.
pub(super) async fn write(pool: &PgPool, commits: Vec<Commit>) -> sqlx::Result<Vec<Committed>> {
    let mut tries = 1;
    loop {
        match write_together(pool, &commits).await {
            Ok(Met::Another) if tries < TRIES => tries += 1,
            Err(error) if failure::is_collision(&error) && tries < TRIES => tries += 1,
            Err(error) if failure::is_about_the_data(&error) && commits.len() > 1 => {
                return write_apart(pool, &commits).await;
            }
            Ok(met) => return met.answers(),
            Err(error) => return Err(error),
        }
    }
}

/// Whether somebody else was met on the way who wrote what was to be written.
enum Met {
    Nobody(Vec<Committed>),
    /// A run was made by another after it had been let in. Nothing is written.
    Another,
}

impl Met {
    fn answers(self) -> sqlx::Result<Vec<Committed>> {
        match self {
            Self::Nobody(answers) => Ok(answers),
            Self::Another => Err(sqlx::Error::Protocol(
                "others went on making the same runs".to_owned(),
            )),
        }
    }
}

/// Each in a transaction of its own, so that one that cannot be written does not take the others with it. It conflicts: it
/// is nowhere, and whoever wanted it looks again.
async fn write_apart(pool: &PgPool, commits: &[Commit]) -> sqlx::Result<Vec<Committed>> {
    let mut answers = Vec::with_capacity(commits.len());
    for commit in commits {
        let written = write_together(pool, std::slice::from_ref(commit)).await;
        let answer = match written.and_then(Met::answers) {
            Ok(answers) => answers.into_iter().next().unwrap_or(Committed::Conflict),
            Err(error) if failure::is_about_the_data(&error) => {
                tracing::error!(run.id = %commit.run, error = &error as &dyn std::error::Error, "PostgreSQL refused a commit for what is in it");
                Committed::Conflict
            }
            Err(error) => return Err(error),
        };
        answers.push(answer);
    }
    Ok(answers)
}

async fn write_together(pool: &PgPool, commits: &[Commit]) -> sqlx::Result<Met> {
    let mut answers = vec![Committed::Conflict; commits.len()];
    let rounds = rounds(commits);
    match &rounds[..] {
        [] => {}
        [round] if round.is_one_statement() => {
            let mut connection = pool.acquire().await?;
            round.write(&mut connection, commits, &mut answers).await?;
        }
        rounds => {
            let mut transaction = pool.begin().await?;
            for round in rounds {
                if !round.write(&mut transaction, commits, &mut answers).await? {
                    return Ok(Met::Another);
                }
            }
            transaction.commit().await?;
        }
    }
    Ok(Met::Nobody(answers))
}

/// Commits that do not touch each other, by their places in the batch.
#[derive(Debug, Default)]
struct Round {
    advancing: Vec<usize>,
    creating: Vec<usize>,
    has_keys: bool,
    /// Those that ask something of limits, in the order of the batch.
    asking: Vec<usize>,
}

/// Sorts a batch into rounds. What breaks the rules of its form is in none: it conflicts.
fn rounds(commits: &[Commit]) -> Vec<Round> {
    let mut rounds: Vec<Round> = Vec::new();
    let mut runs: HashSet<RunId> = HashSet::new();
    let mut keys: HashSet<(WorkflowId, &str)> = HashSet::new();
    let mut sayings: HashMap<LimitKey, Saying> = HashMap::new();
    for (place, commit) in commits.iter().enumerate() {
        if !commit.is_in_form() {
            continue;
        }
        let key = key_of(commit).map(|(new, key)| (new.workflow, key.key.as_str()));
        let said = commit.passage.as_ref().map(said).unwrap_or_default();
        let is_taken = runs.contains(&commit.run)
            || key.is_some_and(|key| keys.contains(&key))
            || said
                .iter()
                .any(|(key, saying)| sayings.get(key).is_some_and(|other| other != saying));
        if is_taken || rounds.is_empty() {
            rounds.push(Round::default());
            runs.clear();
            keys.clear();
            sayings.clear();
        }
        runs.insert(commit.run);
        keys.extend(key);
        sayings.extend(said);
        if let Some(round) = rounds.last_mut() {
            round.has_keys |= key.is_some();
            round
                .asking
                .extend(commit.passage.is_some().then_some(place));
            if commit.new.is_some() {
                round.creating.push(place);
            } else {
                round.advancing.push(place);
            }
        }
    }
    // In the order of their runs, so that two processes' batches do not wait for each other.
    for round in &mut rounds {
        round.advancing.sort_by_key(|place| commits[*place].run);
        round.creating.sort_by_key(|place| commits[*place].run);
    }
    rounds
}

/// What is said of a key: by which version, how many, and in which span.
type Saying = (u32, u32, Option<Duration>);

/// What a commit says of its keys. Within a round nobody says otherwise, so that it is known how far the limits can reach.
fn said(passage: &Passage) -> Vec<(LimitKey, Saying)> {
    let Passage::Enter(enter) = passage else {
        return Vec::new();
    };
    let saying = |key: LimitKey| {
        let per = match key.kind {
            LimitKind::Concurrency => None,
            LimitKind::Rate => enter.rate.as_ref().map(|rate| rate.per),
        };
        let limit = passage.limit(key.kind).unwrap_or(0);
        (key, (enter.version, limit, per))
    };
    passage.keys().map(saying).collect()
}

impl Round {
    fn is_one_statement(&self) -> bool {
        !self.has_keys
            && self.asking.is_empty()
            && (self.advancing.is_empty() || self.creating.is_empty())
    }

    /// Writes a round. Says whether nobody else was met who wrote the same.
    async fn write(
        &self,
        connection: &mut PgConnection,
        commits: &[Commit],
        answers: &mut [Committed],
    ) -> sqlx::Result<bool> {
        let mut creating = self.creating.clone();
        // A key or a slot must not be given to a run that cannot be made: there the versions are looked at first, and else in
        // the statement that writes the row.
        let looks_first = self.has_keys || !self.asking.is_empty();
        if looks_first {
            drop_outdated(connection, &mut creating, commits, answers).await?;
        }
        if self.has_keys {
            claim_keys(connection, &mut creating, commits, answers).await?;
        }
        let decided = self.decide(connection, commits, &creating).await?;
        let shape = |place: &usize| -> Option<(usize, &Commit)> {
            let commit = &commits[*place];
            match &commit.passage {
                None => Some((*place, commit)),
                Some(_) => Some((*place, &decided.shaped.get(place)?.0)),
            }
        };
        let advancing: Vec<_> = self.advancing.iter().filter_map(shape).collect();
        if !advancing.is_empty() {
            let written = advance(connection, &commits_of(&advancing)).await?;
            note_written(&advancing, &written, answers);
        }
        let creating: Vec<_> = creating.iter().filter_map(shape).collect();
        if !creating.is_empty() {
            let created = commits_of(&creating);
            let checks = !looks_first && created.iter().any(|commit| asks_for_newest(commit));
            let written = create(connection, &created, checks).await?;
            note_written(&creating, &written, answers);
            if checks && written.len() < creating.len() {
                note_outdated(connection, &creating, &written, answers).await?;
            }
        }
        let Decided {
            shaped,
            refused,
            woken,
        } = decided;
        for (place, (_, answer)) in shaped {
            if answers[place] != Committed::Written {
                return Ok(false);
            }
            answers[place] = answer;
        }
        release_keys(connection, commits, &refused).await?;
        for (place, answer) in refused {
            answers[place] = answer;
        }
        let woken = woken
            .into_iter()
            .filter(|(run, (_, by))| !self.moves_after(*run, *by, commits, answers))
            .collect();
        limits::wake(connection, &woken).await?;
        Ok(true)
    }

    /// Has the limits decide about those who ask, where nothing else stands in their way.
    async fn decide(
        &self,
        connection: &mut PgConnection,
        commits: &[Commit],
        creating: &[usize],
    ) -> sqlx::Result<Decided> {
        let may_be_written =
            |place: &&usize| commits[**place].new.is_none() || creating.contains(place);
        let asking: Vec<_> = self
            .asking
            .iter()
            .filter(may_be_written)
            .map(|place| Asking {
                place: *place,
                commit: &commits[*place],
            })
            .collect();
        match asking.is_empty() {
            true => Ok(Decided::default()),
            false => limits::decide(connection, &asking).await,
        }
    }

    /// Whether a commit that comes after another one says itself when its run is due.
    fn moves_after(
        &self,
        run: RunId,
        by: usize,
        commits: &[Commit],
        answers: &[Committed],
    ) -> bool {
        let places = self.advancing.iter().chain(&self.creating);
        places.copied().any(|place| {
            let commit = &commits[place];
            let is_written = matches!(
                answers[place],
                Committed::Written | Committed::Passed { .. }
            );
            place > by && commit.run == run && !commit.keeps_due && is_written
        })
    }
}

fn commits_of<'c>(placed: &[(usize, &'c Commit)]) -> Vec<&'c Commit> {
    placed.iter().map(|(_, commit)| *commit).collect()
}

fn note_written(placed: &[(usize, &Commit)], written: &HashSet<RunId>, answers: &mut [Committed]) {
    for (place, commit) in placed {
        if written.contains(&commit.run) {
            answers[*place] = Committed::Written;
        }
    }
}

const ADVANCE: &str = concat!(
    "
    WITH c AS (
        SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                             $7::timestamptz[], $8::text[], $9::boolean[])
            AS c (run, first_seq, records, status, started_at, completed_at, due_at, error, keeps_due)
    ), moved AS (
        UPDATE runs SET next_seq = c.first_seq + c.records, status_before = runs.status, status = c.status, started_at = c.started_at,
                        completed_at = c.completed_at, error = c.error,
                        due_at = CASE WHEN c.keeps_due THEN COALESCE(runs.due_at, c.due_at) ELSE c.due_at END
        FROM c WHERE runs.id = c.run AND runs.next_seq = c.first_seq
        RETURNING runs.id, runs.workflow, runs.status_before, runs.status
    ), written AS (
        INSERT INTO journal (run, seq, record)
        SELECT j.run, j.seq, j.record FROM UNNEST($10::uuid[], $11::bigint[], $12::text[]) AS j (run, seq, record)
        JOIN moved ON moved.id = j.run
    ), ",
    count!("(SELECT workflow, status_before, status FROM moved)"),
    "
    SELECT id FROM moved"
);

async fn advance(
    connection: &mut PgConnection,
    commits: &[&Commit],
) -> sqlx::Result<HashSet<RunId>> {
    let rows = RowColumns::of(commits);
    let leaves = LeafColumns::of(commits);
    let first: Vec<i64> = commits.iter().map(|c| i64::from(c.first_seq)).collect();
    let keeps_due: Vec<bool> = commits.iter().map(|c| c.keeps_due).collect();
    let moved = sqlx::query(ADVANCE)
        .bind(rows.runs)
        .bind(first)
        .bind(rows.records)
        .bind(rows.statuses)
        .bind(rows.started_at)
        .bind(rows.completed_at)
        .bind(rows.due_at)
        .bind(rows.errors)
        .bind(keeps_due)
        .bind(leaves.runs)
        .bind(leaves.seqs)
        .bind(leaves.texts)
        .fetch_all(connection)
        .await?;
    moved.iter().map(|row| columns::run_id(row, 0)).collect()
}

/// The heads are looked at in the same statement: who remembers which version is the newest need not ask first.
const CREATE: &str = concat!(
    "
    WITH c AS (
        SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
                             $7::text[], $8::uuid[], $9::bigint[], $10::timestamptz[], $14::boolean[])
            AS c (run, records, status, started_at, completed_at, due_at, error, workflow, version, created_at, is_newest)
    ), created AS (
        INSERT INTO runs (id, next_seq, status, started_at, completed_at, due_at, error, workflow, version, created_at)
        SELECT c.run, c.records, c.status, c.started_at, c.completed_at, c.due_at, c.error, c.workflow, c.version, c.created_at
        FROM c LEFT JOIN workflow_heads h ON h.id = c.workflow
        WHERE NOT c.is_newest OR (h.newest = c.version AND h.archived_at IS NULL AND h.deleted_at IS NULL)
        ON CONFLICT (id) DO NOTHING
        RETURNING id, workflow, status
    ), written AS (
        INSERT INTO journal (run, seq, record)
        SELECT j.run, j.seq, j.record FROM UNNEST($11::uuid[], $12::bigint[], $13::text[]) AS j (run, seq, record)
        JOIN created ON created.id = j.run
    ), labelled AS (
        INSERT INTO run_labels (run, name, value)
        SELECT l.run, l.name, l.value FROM UNNEST($15::uuid[], $16::text[], $17::text[]) AS l (run, name, value)
        JOIN created ON created.id = l.run
    ), ",
    count!("(SELECT workflow, NULL::text, status FROM created)"),
    "
    SELECT id FROM created"
);

async fn create(
    connection: &mut PgConnection,
    commits: &[&Commit],
    checks: bool,
) -> sqlx::Result<HashSet<RunId>> {
    let rows = RowColumns::of(commits);
    let leaves = LeafColumns::of(commits);
    let new = || commits.iter().filter_map(|commit| commit.new.as_ref());
    let workflows: Vec<_> = new()
        .map(|new| columns::workflow_uuid(new.workflow))
        .collect();
    let versions: Vec<_> = new().map(|new| i64::from(new.version)).collect();
    let created_at: Vec<_> = new().map(|new| columns::to_time(new.created_at)).collect();
    let labels = LabelColumns::of(commits);
    let is_newest: Vec<_> = new().map(|new| checks && new.is_newest).collect();
    let created = sqlx::query(CREATE)
        .bind(rows.runs)
        .bind(rows.records)
        .bind(rows.statuses)
        .bind(rows.started_at)
        .bind(rows.completed_at)
        .bind(rows.due_at)
        .bind(rows.errors)
        .bind(workflows)
        .bind(versions)
        .bind(created_at)
        .bind(leaves.runs)
        .bind(leaves.seqs)
        .bind(leaves.texts)
        .bind(is_newest)
        .bind(labels.runs)
        .bind(labels.names)
        .bind(labels.values)
        .fetch_all(connection)
        .await?;
    created.iter().map(|row| columns::run_id(row, 0)).collect()
}

/// What a row says, column by column.
struct RowColumns {
    runs: Vec<Uuid>,
    records: Vec<i64>,
    statuses: Vec<&'static str>,
    started_at: Vec<Option<time::OffsetDateTime>>,
    completed_at: Vec<Option<time::OffsetDateTime>>,
    due_at: Vec<Option<time::OffsetDateTime>>,
    errors: Vec<Option<String>>,
}

impl RowColumns {
    fn of(commits: &[&Commit]) -> Self {
        let all = || commits.iter();
        Self {
            runs: all().map(|c| columns::uuid(c.run)).collect(),
            records: all().map(|c| columns::limit(c.records.len())).collect(),
            statuses: all().map(|c| c.summary.status.as_str()).collect(),
            started_at: all()
                .map(|c| c.summary.started_at.map(columns::to_time))
                .collect(),
            completed_at: all()
                .map(|c| c.summary.completed_at.map(columns::to_time))
                .collect(),
            due_at: all().map(|c| c.due_at.map(columns::to_time)).collect(),
            errors: all()
                .map(|c| {
                    c.summary
                        .error
                        .as_deref()
                        .map(|error| text::encode(error).into_owned())
                })
                .collect(),
        }
    }
}

/// Leaves of journals, column by column.
struct LeafColumns<'c> {
    runs: Vec<Uuid>,
    seqs: Vec<i64>,
    texts: Vec<std::borrow::Cow<'c, str>>,
}

impl<'c> LeafColumns<'c> {
    fn of(commits: &[&'c Commit]) -> Self {
        let mut all = Self {
            runs: Vec::with_capacity(commits.len()),
            seqs: Vec::with_capacity(commits.len()),
            texts: Vec::with_capacity(commits.len()),
        };
        for commit in commits {
            if commit.records.is_empty() {
                continue;
            }
            let last = leaf::last(commit.first_seq, commit.records.len());
            all.runs.push(columns::uuid(commit.run));
            all.seqs.push(i64::from(last));
            all.texts
                .push(text::encode_cow(leaf::bind(&commit.records)));
        }
        all
    }
}

-- The foundation: workflows, the life of their runs, and what plugins need.
--
-- Identifiers are the 16 bytes of a UUIDv7, so they sort by time of creation. Points in time are microseconds since
-- 1970-01-01T00:00:00Z. There are no foreign keys: runs and journals are written by one statement after the other in
-- one transaction of one writer, so a key would cost a look-up a row and guard against nobody.

-- Definitions. A version is never changed; changing a workflow adds a version.
CREATE TABLE workflows (
    id         BLOB    NOT NULL,
    version    INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    definition TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (id, version)
);

-- One row a run: what lists, filters and the schedule read. It says nothing that the journal does not say; it is kept
-- so that they need not fold journals.
--
-- The row is narrow because it is updated, and SQLite writes whole pages: the payload, which never changes, is in the
-- journal's first record. It is clustered by id, so a burst of new runs, and soon after of their updates, shares pages.
CREATE TABLE runs (
    id           BLOB    NOT NULL PRIMARY KEY,
    workflow     BLOB    NOT NULL,
    version      INTEGER NOT NULL,
    status       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    started_at   INTEGER,
    completed_at INTEGER,
    due_at       INTEGER,
    error        TEXT
) WITHOUT ROWID;

-- Which runs have something to do, soonest first. Timers, recovery and the backlog are this one question, so there is
-- no table of timers and no queue. Only runs with something to do are in it.
CREATE INDEX runs_due ON runs (due_at, id) WHERE due_at IS NOT NULL;

-- The runs of a workflow, by time. It is written once a run: the status is left out so that it need not move with it.
CREATE INDEX runs_by_workflow ON runs (workflow, id);

-- The runs in a state, by time.
CREATE INDEX runs_by_status ON runs (status, id);

-- "Which runs of this workflow failed?" is what is asked when it matters, and its answer may be few among millions.
-- A run that goes well never enters this index and pays nothing for it. (Written with OR, not IN: only so does SQLite see
-- that a query for one of the words may use it.)
CREATE INDEX runs_in_trouble ON runs (workflow, status, id)
    WHERE status = 'failed' OR status = 'paused' OR status = 'cancelled';

-- Which runs are old enough to be removed.
CREATE INDEX runs_finished ON runs (completed_at, id) WHERE completed_at IS NOT NULL;

-- What happened to each run, in order. Only ever appended to, and removed with its run.
--
-- Rows lie in the order in which they were written, whichever run they belong to, so that a thousand runs that each
-- take a step fill a few pages instead of touching a thousand. (Clustered by run it was measured at half the speed.)
CREATE TABLE journal (
    position INTEGER PRIMARY KEY,
    run      BLOB    NOT NULL,
    seq      INTEGER NOT NULL,
    record   TEXT    NOT NULL
);

-- The fence. A run has at most one record at a position: of two writers that would both advance it, one is too late.
-- No lease, no lock, no leader.
CREATE UNIQUE INDEX journal_fence ON journal (run, seq);

-- Callers' promises that two triggers with the same key are one. The run may be removed before its key is forgotten.
CREATE TABLE idempotency (
    workflow    BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    run         BLOB    NOT NULL,
    fingerprint BLOB    NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (workflow, key)
) WITHOUT ROWID;

-- Which keys can be forgotten.
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- The bytes of plugins, by their SHA-256, so that a run in flight can go on when the file is gone.
CREATE TABLE plugins (
    digest  BLOB    NOT NULL PRIMARY KEY,
    name    TEXT    NOT NULL,
    version TEXT    NOT NULL,
    -- 1 where it came with the host: what is granted to the host's own plugins is granted to these bytes.
    bundled INTEGER NOT NULL,
    wasm    BLOB    NOT NULL
);

-- What connectors remember. The version comes from one sequence over all keys (AUTOINCREMENT never gives a number
-- twice, even after the row is gone), so deleting a value and writing it again cannot bring an old version back.
CREATE TABLE kv (
    version  INTEGER PRIMARY KEY AUTOINCREMENT,
    plugin   TEXT NOT NULL,
    workflow TEXT NOT NULL,
    key      TEXT NOT NULL,
    value    BLOB NOT NULL,
    UNIQUE (plugin, workflow, key)
);

-- One row that is written to find out whether writing works.
CREATE TABLE pulse (
    only_one INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1),
    beats    INTEGER NOT NULL
);

INSERT INTO pulse (only_one, beats) VALUES (1, 0);

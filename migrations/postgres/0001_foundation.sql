-- The foundation: workflows, the life of their runs, and what plugins need.
--
-- The same tables as in migrations/sqlite, in PostgreSQL's own types. Identifiers are UUIDv7, so they sort by time of
-- creation. There are no foreign keys: a run and its journal are written in one transaction, so a key would cost a
-- look-up and a row lock for each record and guard against nobody.
--
-- Words that are compared and sorted by bytes are COLLATE "C": the same on every machine, and faster.

-- Definitions. A version is never changed; changing a workflow adds a version.
CREATE TABLE workflows (
    id         uuid        NOT NULL,
    version    bigint      NOT NULL,
    name       text        NOT NULL,
    definition text        NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id, version)
);

-- One row a run: what lists, filters and the schedule read. It says nothing that the journal does not say; it is kept
-- so that they need not fold journals. The row is narrow because it is updated, and every update writes it anew: the
-- payload, which never changes, is in the journal's first record.
--
-- Pages are left a fifth empty: an update that moves no index entry then stays in its page and touches no index.
CREATE TABLE runs (
    id           uuid             NOT NULL PRIMARY KEY,
    workflow     uuid             NOT NULL,
    version      bigint           NOT NULL,
    status       text COLLATE "C" NOT NULL,
    created_at   timestamptz      NOT NULL,
    started_at   timestamptz,
    completed_at timestamptz,
    due_at       timestamptz,
    error        text
) WITH (fillfactor = 80);

-- Which runs have something to do, soonest first. Timers, recovery and the backlog are this one question, so there is
-- no table of timers and no queue. Only runs with something to do are in it.
CREATE INDEX runs_due ON runs (due_at, id) WHERE due_at IS NOT NULL;

-- The runs of a workflow, by time. The status is left out so that the entry need not move with it.
CREATE INDEX runs_by_workflow ON runs (workflow, id);

-- The runs in a state, by time.
CREATE INDEX runs_by_status ON runs (status, id);

-- "Which runs of this workflow failed?" is what is asked when it matters, and its answer may be few among millions.
-- A run that goes well never enters this index and pays nothing for it.
CREATE INDEX runs_in_trouble ON runs (workflow, status, id) WHERE status IN ('failed', 'paused', 'cancelled');

-- Which runs are old enough to be removed.
CREATE INDEX runs_finished ON runs (completed_at, id) WHERE completed_at IS NOT NULL;

-- What happened to each run, in order. Only ever appended to, and removed with its run.
--
-- The key is the fence. A run has at most one record at a position: of two writers that would both advance it, one is
-- too late. No lease, no lock, no leader. (A heap lies in the order in which it was written anyway: the position that
-- the SQLite table has would say nothing here.)
CREATE TABLE journal (
    run    uuid    NOT NULL,
    seq    bigint  NOT NULL,
    record text    NOT NULL,
    CONSTRAINT journal_fence PRIMARY KEY (run, seq)
);

-- Callers' promises that two triggers with the same key are one. The run may be removed before its key is forgotten.
CREATE TABLE idempotency (
    workflow    uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    run         uuid             NOT NULL,
    fingerprint bytea            NOT NULL,
    expires_at  timestamptz      NOT NULL,
    PRIMARY KEY (workflow, key)
);

-- Which keys can be forgotten.
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- The bytes of plugins, by their SHA-256, so that a run in flight can go on when the file is gone.
CREATE TABLE plugins (
    digest  bytea   NOT NULL PRIMARY KEY,
    name    text    NOT NULL,
    version text    NOT NULL,
    -- Whether it came with the host: what is granted to the host's own plugins is granted to these bytes.
    bundled boolean NOT NULL,
    wasm    bytea   NOT NULL
);

-- A component is as good as incompressible to PostgreSQL's own compression: store it as it is.
ALTER TABLE plugins ALTER COLUMN wasm SET STORAGE EXTERNAL;

-- What connectors remember. The version comes from one sequence over all keys, so deleting a value and writing it again
-- cannot bring an old version back. A write takes its number after it has locked the row, so that versions of one key grow.
--
-- The key is bytes: a connector may use any text, and PostgreSQL's text cannot hold U+0000.
CREATE TABLE kv (
    version  bigint           NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    plugin   text COLLATE "C" NOT NULL,
    workflow text COLLATE "C" NOT NULL,
    key      bytea            NOT NULL,
    value    bytea            NOT NULL,
    PRIMARY KEY (plugin, workflow, key)
);

-- One row that is written to find out whether writing works.
CREATE TABLE pulse (
    only_one integer NOT NULL PRIMARY KEY CHECK (only_one = 1),
    beats    bigint  NOT NULL
);

INSERT INTO pulse (only_one, beats) VALUES (1, 0);

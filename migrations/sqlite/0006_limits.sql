-- Limits on the runs of a workflow. A run that is under none writes nothing here.

-- What is known of each key: how many may, how many do, how many wait. It is counted, so that nobody has to look through
-- those who wait. The row goes when nobody holds or waits for the key; that of a rate when its last start is a span old.
CREATE TABLE limits (
    workflow BLOB    NOT NULL,
    -- `concurrency` or `rate`.
    kind     TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    capacity INTEGER NOT NULL,
    -- Of a rate: the length of the span in microseconds.
    span     INTEGER,
    -- The version of the workflow that said so: the newest that a run came with.
    version  INTEGER NOT NULL,
    held     INTEGER NOT NULL,
    waiting  INTEGER NOT NULL,
    -- Of a rate: the number of the last start, and from when on it does not matter any more.
    started  INTEGER NOT NULL,
    idle_at  INTEGER,
    PRIMARY KEY (workflow, kind, key)
) WITHOUT ROWID;

-- Which rates can be forgotten.
CREATE INDEX limits_idle ON limits (idle_at, waiting) WHERE idle_at IS NOT NULL;

-- The runs that have asked to be let in and have not ended: from the first of their records to the last.
CREATE TABLE admissions (
    run      BLOB    NOT NULL PRIMARY KEY,
    workflow BLOB    NOT NULL,
    -- The key of which it holds or awaits a slot, and the key of its rate.
    slot     TEXT,
    rate     TEXT,
    priority INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    -- `awaits-slot`, `awaits-rate` or `in`.
    stage    TEXT    NOT NULL
) WITHOUT ROWID;

-- The two queues, each in the order of its turns. Only who waits is in them.
CREATE INDEX admissions_by_slot_turn ON admissions (workflow, slot, priority, since, run) WHERE stage = 'awaits-slot';
CREATE INDEX admissions_by_rate_turn ON admissions (workflow, rate, priority, since, run) WHERE stage = 'awaits-rate';

-- Who holds or awaits a slot, by age: for a newcomer that takes the place of who was there.
CREATE INDEX admissions_by_slot ON admissions (workflow, slot, since, run) WHERE slot IS NOT NULL;

-- When the last runs of a rate began, as many as fit into a span. The next one looks at the first of them.
CREATE TABLE limit_starts (
    workflow BLOB    NOT NULL,
    key      TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (workflow, key, number)
) WITHOUT ROWID;

-- Limits on the runs of a workflow. A run that is under none writes nothing here.

-- What is known of each key: how many may, how many do, how many wait. It is counted, so that nobody has to look through
-- those who wait. The row goes when nobody holds or waits for the key; that of a rate when its last start is a span old.
--
-- The row is also what is locked: whoever changes anything about a key has its row, taken in the order of the keys.
CREATE TABLE limits (
    workflow uuid             NOT NULL,
    -- `concurrency` or `rate`.
    kind     text COLLATE "C" NOT NULL,
    key      text COLLATE "C" NOT NULL,
    capacity bigint           NOT NULL,
    -- Of a rate: the length of the span in microseconds.
    span     bigint,
    -- The version of the workflow that said so: the newest that a run came with.
    version  bigint           NOT NULL,
    held     bigint           NOT NULL,
    waiting  bigint           NOT NULL,
    -- Of a rate: the number of the last start, and from when on it does not matter any more.
    started  bigint           NOT NULL,
    idle_at  timestamptz,
    PRIMARY KEY (workflow, kind, key)
);

-- Which rates can be forgotten.
CREATE INDEX limits_idle ON limits (idle_at, waiting) WHERE idle_at IS NOT NULL;

-- The runs that have asked to be let in and have not ended: from the first of their records to the last.
CREATE TABLE admissions (
    run      uuid        NOT NULL PRIMARY KEY,
    workflow uuid        NOT NULL,
    -- The key of which it holds or awaits a slot, and the key of its rate.
    slot     text COLLATE "C",
    rate     text COLLATE "C",
    priority bigint      NOT NULL,
    since    timestamptz NOT NULL,
    -- `awaits-slot`, `awaits-rate` or `in`.
    stage    text COLLATE "C" NOT NULL
);

-- The two queues, each in the order of its turns. Only who waits is in them.
CREATE INDEX admissions_by_slot_turn ON admissions (workflow, slot, priority, since, run) WHERE stage = 'awaits-slot';
CREATE INDEX admissions_by_rate_turn ON admissions (workflow, rate, priority, since, run) WHERE stage = 'awaits-rate';

-- Who holds or awaits a slot, by age: for a newcomer that takes the place of who was there.
CREATE INDEX admissions_by_slot ON admissions (workflow, slot, since, run) WHERE slot IS NOT NULL;

-- When the last runs of a rate began, as many as fit into a span. The next one looks at the first of them.
CREATE TABLE limit_starts (
    workflow uuid             NOT NULL,
    key      text COLLATE "C" NOT NULL,
    number   bigint           NOT NULL,
    at       timestamptz      NOT NULL,
    PRIMARY KEY (workflow, key, number)
);

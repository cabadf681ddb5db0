-- What starts runs when nobody asks for one.

-- Triggers, by version of their workflow. Those of the newest version are here, and no others: they are written in the transaction
-- that makes it the newest. Who acts on one makes sure that it still is, in the transaction that creates the run.
CREATE TABLE triggers (
    workflow uuid             NOT NULL,
    version  bigint           NOT NULL,
    -- The place in the definition, from zero.
    number   bigint           NOT NULL,
    -- `schedule`, `webhook` or `kafka`.
    kind     text COLLATE "C" NOT NULL,
    -- The times as cron writes them, the path, or the topic.
    place    text COLLATE "C" NOT NULL,
    -- Of a schedule: the next time for which a run starts, and when somebody has to look: then, or when the claim of who looks
    -- at it has run out.
    next_at  timestamptz,
    due_at   timestamptz,
    PRIMARY KEY (workflow, version, number)
);

-- Which schedules are due, soonest first.
CREATE INDEX triggers_due ON triggers (due_at) WHERE due_at IS NOT NULL;

-- Where requests to a path go.
CREATE INDEX triggers_by_path ON triggers (place) WHERE kind = 'webhook';

-- Whose a path is: all versions of one workflow may have it, and no other workflow. It is given back with the last of them.
CREATE TABLE trigger_paths (
    path     text COLLATE "C" NOT NULL PRIMARY KEY,
    workflow uuid NOT NULL
);

-- Ends of runs that are told to webhooks.

-- Deliveries: one for each end and each webhook that wants it. They are written in the transaction in which the run's row says that
-- nothing is left to do for it, and only where a webhook is configured. One that arrived is gone.
CREATE TABLE deliveries (
    -- Made of the end and the webhook: the same end is kept once. It begins with the time of the end, by which old ones are removed.
    id         BLOB NOT NULL PRIMARY KEY,
    webhook    TEXT NOT NULL,
    run        BLOB NOT NULL,
    event      TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- Since when it is tried.
    since      INTEGER NOT NULL,
    -- How often it was taken on. Who notes what came of an attempt says which one was his.
    attempts   INTEGER NOT NULL,
    -- When it is tried next, or the claim of who is at it has run out. Absent where it was given up.
    due_at     INTEGER,
    failure    TEXT
) WITHOUT ROWID;

-- Which deliveries to a webhook are due, soonest first. Each webhook is asked for by itself, so that one that hangs keeps none other waiting.
CREATE INDEX deliveries_due ON deliveries (webhook, due_at) WHERE due_at IS NOT NULL;

-- Which were given up: for lists, for sending them again, and for counting them.
CREATE INDEX deliveries_exhausted ON deliveries (webhook, id) WHERE due_at IS NULL;

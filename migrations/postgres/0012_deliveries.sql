-- Ends of runs that are told to webhooks.

-- Deliveries: one for each end and each webhook that wants it. They are written in the transaction in which the run's row says that
-- nothing is left to do for it, and only where a webhook is configured. One that arrived is gone.
CREATE TABLE deliveries (
    -- Made of the end and the webhook: the same end is kept once. It begins with the time of the end, by which old ones are removed.
    id         uuid             NOT NULL PRIMARY KEY,
    webhook    text COLLATE "C" NOT NULL,
    run        uuid             NOT NULL,
    event      text COLLATE "C" NOT NULL,
    body       text COLLATE "C" NOT NULL,
    created_at timestamptz      NOT NULL,
    -- Since when it is tried.
    since      timestamptz      NOT NULL,
    -- How often it was taken on. Who notes what came of an attempt says which one was his.
    attempts   bigint           NOT NULL,
    -- When it is tried next, or the claim of who is at it has run out. Absent where it was given up.
    due_at     timestamptz,
    failure    text COLLATE "C"
);

-- Which deliveries to a webhook are due, soonest first. Each webhook is asked for by itself, so that one that hangs keeps none other waiting.
CREATE INDEX deliveries_due ON deliveries (webhook, due_at) WHERE due_at IS NOT NULL;

-- Which were given up: for lists, for sending them again, and for counting them.
CREATE INDEX deliveries_exhausted ON deliveries (webhook, id) WHERE due_at IS NULL;

-- Something done to many runs, page by page.

-- Jobs. What is to be done and how far it has come are texts that the host writes and reads.
CREATE TABLE jobs (
    id           uuid             NOT NULL PRIMARY KEY,
    task         text COLLATE "C" NOT NULL,
    progress     text COLLATE "C" NOT NULL,
    created_at   timestamptz      NOT NULL,
    finished_at  timestamptz     ,
    is_cancelled boolean          NOT NULL,
    -- How often it has been taken on. Who writes how far it has come says which time was his: of two the slower writes nothing.
    claims       bigint           NOT NULL,
    -- When somebody has to look: at its next page, or when the claim of who is at it has run out. Absent where it has finished.
    due_at       timestamptz     
);

-- Which jobs are due, soonest first; and how many have not finished.
CREATE INDEX jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;

-- Which jobs may be removed.
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- How many runs are in each state: kept by the writes that change it, so that nobody has to count rows.
--
-- One row a workflow and state; those of all workflows together stand under an identifier of zeros. A transaction writes the
-- few rows that it changes once, however many commits are in it.
CREATE TABLE run_counts (
    workflow BLOB    NOT NULL,
    status   TEXT    NOT NULL,
    -- Always 0 here: there is one writer. Several would wait for each other; see the same table for PostgreSQL.
    slot     INTEGER NOT NULL,
    runs     INTEGER NOT NULL,
    PRIMARY KEY (workflow, status, slot)
) WITHOUT ROWID;

INSERT INTO run_counts SELECT workflow, status, 0, count(*) FROM runs GROUP BY workflow, status;
INSERT INTO run_counts SELECT zeroblob(16), status, 0, count(*) FROM runs GROUP BY status;

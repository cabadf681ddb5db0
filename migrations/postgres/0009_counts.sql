-- How many runs are in each state: kept by the writes that change it, so that nobody has to count rows.
--
-- One row a workflow and state; those of all workflows together stand under an identifier of zeros. 
--
-- Transactions that change one row wait for each other, and a commit waits for the disk. So each connection has rows of its own (a
-- slot), and a count is their sum.
CREATE TABLE run_counts (
    workflow uuid             NOT NULL,
    status   text COLLATE "C" NOT NULL,
    slot     bigint           NOT NULL,
    runs     bigint           NOT NULL,
    PRIMARY KEY (workflow, status, slot)
) WITH (fillfactor = 50);

INSERT INTO run_counts SELECT workflow, status, 0, count(*) FROM runs GROUP BY workflow, status;
INSERT INTO run_counts SELECT '00000000-0000-0000-0000-000000000000', status, 0, count(*) FROM runs GROUP BY status;

-- What the row said before its last change. An update tells only what it has written; so it writes down what it found, and needs no
-- second look at the row.
ALTER TABLE runs ADD COLUMN status_before text;

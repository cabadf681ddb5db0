-- Texts by their names, by which people find runs.

-- The labels of runs. The journal has them as well; these are for lists. A run without labels, which most are, has no row here. They
-- are written with their run, never change, and go with it.
CREATE TABLE run_labels (
    run   BLOB NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;

-- The runs of a label, in the order in which they are listed. Costs an entry a label, once in a run's life.
CREATE INDEX run_labels_by_value ON run_labels (name, value, run);

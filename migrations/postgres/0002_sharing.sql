-- Several processes share the store.
--
-- Where the journal of a run goes on, said in its row. Of two processes that would both advance a run, the second waits
-- for the first one's update of the row and then finds that its place is taken, in the same statement; without the column
-- it would have to lock the row, and then look at the journal in a second one. It costs eight bytes a row, and no index.
ALTER TABLE runs ADD COLUMN next_seq bigint NOT NULL DEFAULT 0;

UPDATE runs SET next_seq = (SELECT count(*) FROM journal WHERE journal.run = runs.id);

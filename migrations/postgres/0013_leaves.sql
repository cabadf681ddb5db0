-- The records of one commit stand in one row of the journal.
--
-- A row is a leaf: one record, or several with U+001E between them, which JSON has nowhere. `seq` is the place of its last record. Rows of
-- before are leaves of one record. The step is here so that a binary that knows no leaves refuses the database.
COMMENT ON COLUMN journal.seq IS 'the place of the last record of the row';

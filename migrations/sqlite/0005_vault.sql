-- Secrets that were given over the API. They are sealed with a key that is never here.

CREATE TABLE secrets (
    name       TEXT    NOT NULL PRIMARY KEY,
    -- Which key it is sealed with: the beginning of a digest of it.
    key        BLOB    NOT NULL,
    sealed     BLOB    NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;

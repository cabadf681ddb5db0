-- Secrets that were given over the API. They are sealed with a key that is never here.

CREATE TABLE secrets (
    name       text COLLATE "C" NOT NULL PRIMARY KEY,
    -- Which key it is sealed with: the beginning of a digest of it.
    key        bytea            NOT NULL,
    sealed     bytea            NOT NULL,
    updated_at timestamptz      NOT NULL
);

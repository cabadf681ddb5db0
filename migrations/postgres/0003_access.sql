-- Who may do what, and who did.

-- Tokens. What is kept of a token's secret is its SHA-256: whoever reads this table cannot use it. A secret is 256 random
-- bits, so no slow hash is needed. A revoked token stays, so that the audit log can name it.
CREATE TABLE tokens (
    id         uuid        NOT NULL PRIMARY KEY,
    name       text        NOT NULL,
    -- With commas: `read,trigger`.
    scopes     text        NOT NULL,
    hash       bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);

-- What somebody changed, or tried to. An entry is written before the change is made and told afterwards what came of it;
-- one without a status is of a process that ended in between. Identifiers sort by time, so no other index is needed.
CREATE TABLE audit (
    id         uuid        NOT NULL PRIMARY KEY,
    at         timestamptz NOT NULL,
    -- `token`, `admin-token`, `anonymous` or `command-line`; the token, where it is one; its name then.
    actor      text        NOT NULL,
    token      uuid,
    actor_name text,
    -- The operation, as the description of the API calls it.
    action     text        NOT NULL,
    path       text        NOT NULL,
    request    text        NOT NULL,
    -- The status of the answer, and what the change was made to where the path does not say.
    status     bigint,
    target     text
);

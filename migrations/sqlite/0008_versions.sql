-- Workflows have versions.

-- One row a workflow, over all its versions: which one new runs take, what lists and searches show, and whether it takes runs
-- at all. A run that is created looks at this row in the statement that writes it, so whoever remembers which version was the
-- newest cannot be wrong about it.
CREATE TABLE workflow_heads (
    id          BLOB    NOT NULL PRIMARY KEY,
    newest      INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    -- The author's own identifier.
    label       TEXT,
    -- A JSON object of texts.
    labels      TEXT    NOT NULL,
    -- The three above in small letters, a line each: what a search looks through.
    search      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    archived_at INTEGER,
    -- A deleted workflow keeps its versions for as long as there are runs of it.
    deleted_at  INTEGER
) WITHOUT ROWID;

-- The command line finds a workflow by its author's identifier, or by its name.
CREATE INDEX workflow_heads_by_label ON workflow_heads (label, id) WHERE label IS NOT NULL;
CREATE INDEX workflow_heads_by_name ON workflow_heads (name, id);

-- Which ones may be removed, once nothing refers to them.
CREATE INDEX workflow_heads_deleted ON workflow_heads (deleted_at) WHERE deleted_at IS NOT NULL;

-- What is here already. Their own identifiers and labels are known from the next version on.
INSERT INTO workflow_heads (id, newest, name, labels, search, created_at, updated_at)
SELECT w.id, w.version, w.name, '{}', lower(w.name), (SELECT min(created_at) FROM workflows f WHERE f.id = w.id), w.created_at
FROM workflows w WHERE w.version = (SELECT max(version) FROM workflows n WHERE n.id = w.id);

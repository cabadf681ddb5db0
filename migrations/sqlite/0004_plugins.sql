-- Plugins that were installed through the API, and what operators decided about plugins: the same for every process.

-- What names mean beside the files of a plugins folder. The bytes are in `plugins`.
CREATE TABLE installed_plugins (
    name         TEXT    NOT NULL,
    version      TEXT    NOT NULL,
    digest       BLOB    NOT NULL,
    installed_at INTEGER NOT NULL,
    -- The text of its signature, which every process judges by its own configuration.
    signature    TEXT,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;

-- What was decided about a plugin, by its name.
CREATE TABLE plugin_decisions (
    name     TEXT    NOT NULL PRIMARY KEY,
    -- What it may do, as JSON; nothing where only the configuration speaks of it.
    grants   TEXT,
    -- What it may ask for, as a JSON list of texts: a version that asks for more waits until somebody agrees.
    agreed   TEXT,
    -- 1 where its names mean nothing for new runs.
    disabled INTEGER NOT NULL
) WITHOUT ROWID;

-- Plugins that were installed through the API, and what operators decided about plugins: the same for every process.

-- What names mean beside the files of a plugins folder. The bytes are in `plugins`.
CREATE TABLE installed_plugins (
    name         text COLLATE "C" NOT NULL,
    version      text COLLATE "C" NOT NULL,
    digest       bytea            NOT NULL,
    installed_at timestamptz      NOT NULL,
    -- The text of its signature, which every process judges by its own configuration.
    signature    text,
    PRIMARY KEY (name, version)
);

-- What was decided about a plugin, by its name.
CREATE TABLE plugin_decisions (
    name     text COLLATE "C" NOT NULL PRIMARY KEY,
    -- What it may do, as JSON; nothing where only the configuration speaks of it.
    grants   text,
    -- What it may ask for, as a JSON list of texts: a version that asks for more waits until somebody agrees.
    agreed   text,
    -- Whether its names mean nothing for new runs.
    disabled boolean          NOT NULL
);

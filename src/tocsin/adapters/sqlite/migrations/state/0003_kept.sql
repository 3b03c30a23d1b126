-- How far back what is remembered is complete, in ms; written before anything older is removed.
CREATE TABLE kept_since (
    name TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

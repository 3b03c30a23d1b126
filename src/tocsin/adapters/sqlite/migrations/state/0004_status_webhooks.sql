CREATE TABLE status_webhook (
    key TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    disabled_ms INTEGER,
    doc BLOB NOT NULL,
    told BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- When somebody last said on a channel that she wants messages again.
CREATE TABLE lifted_suppression (
    id TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    said_in TEXT NOT NULL
) STRICT, WITHOUT ROWID;

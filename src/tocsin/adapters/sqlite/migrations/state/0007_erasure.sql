CREATE TABLE erasure (
    id BLOB PRIMARY KEY,
    digest BLOB NOT NULL,
    recipient INTEGER NOT NULL,
    begun_ms INTEGER NOT NULL,
    done_ms INTEGER,
    doc BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX erasure_digest ON erasure (digest);
CREATE INDEX erasure_running ON erasure (begun_ms) WHERE done_ms IS NULL;

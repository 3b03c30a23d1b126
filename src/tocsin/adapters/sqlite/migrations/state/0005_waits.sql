CREATE TABLE wait (
    run BLOB PRIMARY KEY,
    recipient INTEGER NOT NULL,
    interval INTEGER NOT NULL,
    armed INTEGER NOT NULL,
    doc BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX wait_recipient ON wait (recipient);
CREATE INDEX wait_unarmed ON wait (run) WHERE armed = 0;

CREATE TABLE wait_fact (
    delivery BLOB PRIMARY KEY,
    state TEXT NOT NULL,
    settled_ms INTEGER,
    delivered_ms INTEGER,
    read_ms INTEGER,
    acknowledged_ms INTEGER,
    shown INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

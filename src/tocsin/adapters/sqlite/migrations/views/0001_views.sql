CREATE TABLE view_mark (
    reader TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (reader, topic, partition)
) WITHOUT ROWID;

-- Only where the views have a file of their own: there the log's rows are out of reach.
CREATE TABLE inbox_chunk (
    place INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

CREATE TABLE inbox_state (
    recipient INTEGER NOT NULL,
    item BLOB NOT NULL,
    state BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (recipient, item)
) WITHOUT ROWID;

-- One row per "all of it": it holds for what lies below until, a position for each stream.
CREATE TABLE inbox_sweep (
    recipient INTEGER NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    until BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (recipient, position)
) WITHOUT ROWID;

CREATE TABLE inbox_change (
    recipient INTEGER NOT NULL,
    position INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (recipient, position)
) WITHOUT ROWID;

-- A chunk that was written again after a crash has another position: the first one stands.
CREATE TABLE inbox_broadcast (
    block INTEGER NOT NULL,
    position INTEGER NOT NULL,
    fanout BLOB NOT NULL,
    step INTEGER NOT NULL,
    part INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (block, position),
    UNIQUE (fanout, step, block, part)
);

-- The chunks of fan-outs whose members are counted as settled.
CREATE TABLE settled_broadcast (
    fanout BLOB NOT NULL,
    step INTEGER NOT NULL,
    block INTEGER NOT NULL,
    part INTEGER NOT NULL,
    PRIMARY KEY (fanout, step, block, part)
) WITHOUT ROWID;

-- What became of deliveries, a row per transaction; see settlements.py for the entries.
CREATE TABLE settled_chunk (
    number INTEGER PRIMARY KEY,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    counts TEXT NOT NULL,
    entries BLOB NOT NULL
);
CREATE INDEX settled_chunk_last ON settled_chunk (last_ms, first_ms);

-- What settled long after it was accepted, or once more (a receipt that refines).
CREATE TABLE settled_late (
    delivery BLOB PRIMARY KEY,
    accepted_ms INTEGER NOT NULL,
    lane TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    refines TEXT
) WITHOUT ROWID;
CREATE INDEX settled_late_accepted ON settled_late (accepted_ms);

CREATE TABLE attempt (
    delivery BLOB NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (delivery, partition, position)
) WITHOUT ROWID;

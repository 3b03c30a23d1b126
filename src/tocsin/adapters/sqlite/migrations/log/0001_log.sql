CREATE TABLE log_meta (
    incarnation INTEGER NOT NULL,
    partitions INTEGER NOT NULL
);

CREATE TABLE log_topic (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- place = topic number << 52 | partition << 44 | position of the first record: each partition
-- grows at an edge of its own, so an append never splits a page in the middle.
CREATE TABLE log_chunk (
    place INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

-- The times are those inside the records' keys; they find a record by its id.
CREATE TABLE log_span (
    topic INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    position INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, last_ms, position)
) WITHOUT ROWID;

CREATE TABLE log_position (
    reader TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (reader, topic, partition)
) WITHOUT ROWID;

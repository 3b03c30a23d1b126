-- Attempts and outcomes, a row per transaction; see attempts.py for the entries. What belongs to
-- events long before the newest of its transaction goes to the table attempt.
CREATE TABLE attempt_chunk (
    number INTEGER PRIMARY KEY,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    entries BLOB NOT NULL,
    bodies BLOB NOT NULL
);
CREATE INDEX attempt_chunk_last ON attempt_chunk (last_ms, first_ms);

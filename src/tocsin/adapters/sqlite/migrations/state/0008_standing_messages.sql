-- The last message of each chat that a later one may edit.
CREATE TABLE standing_message (
    key BLOB PRIMARY KEY,
    recipient INTEGER NOT NULL,
    provider TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    event_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX standing_message_of ON standing_message (recipient);
CREATE INDEX standing_message_age ON standing_message (at_ms);

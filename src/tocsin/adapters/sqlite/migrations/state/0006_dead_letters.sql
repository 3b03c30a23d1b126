CREATE TABLE dead_letter (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    lane TEXT NOT NULL,
    channel TEXT NOT NULL,
    workflow TEXT NOT NULL,
    provider TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    recipient INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    changed_ms INTEGER NOT NULL,
    by TEXT NOT NULL,
    why TEXT NOT NULL,
    mark INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letter_state ON dead_letter (state, number);
CREATE INDEX dead_letter_waiting
    ON dead_letter (lane, channel, reason) WHERE state = 'waiting';
CREATE INDEX dead_letter_unnamed ON dead_letter (number) WHERE workflow = '' AND kind = 'delivery';
CREATE INDEX dead_letter_recipient ON dead_letter (recipient) WHERE recipient > 0;
CREATE INDEX dead_letter_age ON dead_letter (at_ms);

-- Only where the log has a file of its own: how far it was read.
CREATE TABLE dead_letter_mark (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

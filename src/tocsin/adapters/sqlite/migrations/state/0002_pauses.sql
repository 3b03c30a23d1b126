CREATE TABLE pause (
    id TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    ended_by TEXT NOT NULL DEFAULT '',
    doc BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pause_in_force ON pause (at_ms) WHERE ended_ms IS NULL;

-- The timers that wait for the end of a pause, in the order in which they were armed. Triggers keep
-- it, so that no way of arming or retiring a timer can leave the two apart.
CREATE TABLE parked (
    number INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    key BLOB NOT NULL UNIQUE
) STRICT;
CREATE INDEX parked_queue ON parked (queue, number);

CREATE TRIGGER timer_parks AFTER INSERT ON timer WHEN NEW.kind >= 'pause/' AND NEW.kind < 'pause0'
BEGIN
    INSERT INTO parked (queue, key) VALUES (substr(NEW.kind, 7), NEW.key);
END;

CREATE TRIGGER timer_leaves AFTER UPDATE OF retired_ms ON timer
WHEN NEW.retired_ms IS NOT NULL AND NEW.kind >= 'pause/' AND NEW.kind < 'pause0'
BEGIN
    DELETE FROM parked WHERE key = NEW.key;
END;

-- create --
INSERT INTO fanout (
    key, event, lane, created_ms, doc, cursor, decided, state, reason, changed_ms
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO NOTHING

-- get --
SELECT doc, cursor, decided, state, reason, changed_ms FROM fanout WHERE key = ?

-- running --
SELECT doc, cursor, decided, state, reason, changed_ms FROM fanout
WHERE lane = ? AND state = 'running' ORDER BY created_ms, key

-- advance --
UPDATE fanout SET
    cursor = ?2,
    decided = max(decided, ?3),
    state = CASE WHEN ?4 AND state IN ('running', 'paused') THEN 'done' ELSE state END
WHERE key = ?1 AND cursor <= ?2

-- set_state --
UPDATE fanout SET state = ?2, reason = ?3, changed_ms = ?4
WHERE key = ?1 AND state IN ('running', 'paused')

-- of_event --
SELECT doc, cursor, decided, state, reason, changed_ms FROM fanout
WHERE event = ? ORDER BY created_ms, key

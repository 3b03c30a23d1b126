-- put --
INSERT INTO wait (run, recipient, interval, armed, doc) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (run) DO UPDATE SET
    interval = excluded.interval, armed = excluded.armed, doc = excluded.doc

-- fact --
INSERT INTO wait_fact (
    delivery, state, settled_ms, delivered_ms, read_ms, acknowledged_ms, shown
)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (delivery) DO NOTHING

-- drop --
DELETE FROM wait WHERE run IN (SELECT value FROM carray(?))

-- drop_facts --
DELETE FROM wait_fact WHERE delivery BETWEEN ? AND ?

-- note --
UPDATE wait_fact SET
    state = CASE
        WHEN state = '' OR (state = 'sent' AND ?2 = 'failed') THEN ?2 ELSE state
    END,
    settled_ms = coalesce(settled_ms, ?3),
    delivered_ms = coalesce(delivered_ms, ?4),
    read_ms = coalesce(read_ms, ?5),
    acknowledged_ms = coalesce(acknowledged_ms, ?6)
WHERE delivery = ?1

-- note_shown --
UPDATE wait_fact SET
    delivered_ms = coalesce(delivered_ms, ?3),
    read_ms = coalesce(read_ms, ?4),
    acknowledged_ms = coalesce(acknowledged_ms, ?5)
WHERE delivery BETWEEN ?1 AND ?2 AND shown = 1

-- of_runs --
SELECT wait.run, wait.armed, wait.doc
FROM carray(?) AS wanted CROSS JOIN wait ON wait.run = wanted.value ORDER BY wait.run

-- of_recipients --
SELECT wait.run, wait.armed, wait.doc
FROM carray(?) AS wanted CROSS JOIN wait ON wait.recipient = wanted.value ORDER BY wait.run

-- unarmed --
SELECT run, armed, doc FROM wait WHERE armed = 0 AND run > ? ORDER BY run LIMIT ?

-- facts --
SELECT wait_fact.delivery, wait_fact.state, wait_fact.settled_ms, wait_fact.delivered_ms,
    wait_fact.read_ms, wait_fact.acknowledged_ms, wait_fact.shown
FROM carray(?) AS wanted CROSS JOIN wait_fact ON wait_fact.delivery = wanted.value

-- arm --
UPDATE wait SET armed = 1 WHERE run = ? AND interval = ?

-- any --
SELECT EXISTS (SELECT 1 FROM wait)

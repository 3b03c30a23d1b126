-- add --
INSERT INTO dead_letter (key, kind, lane, channel, workflow, provider, reason, detail, recipient,
    at_ms, state, changed_ms, by, why, mark)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', 0, '', '', 0)
ON CONFLICT (key) DO NOTHING

-- mark --
INSERT INTO dead_letter_mark (topic, partition, position) VALUES (?, ?, ?)
ON CONFLICT (topic, partition) DO UPDATE SET position = max(position, excluded.position)

-- marks --
SELECT topic, partition, position FROM dead_letter_mark

-- get --
SELECT key, kind, lane, reason, at_ms, channel, workflow, provider, recipient, detail, number,
    state, changed_ms, by, why, mark
FROM dead_letter WHERE key IN (SELECT value FROM carray(?)) ORDER BY number

-- page --
SELECT key, kind, lane, reason, at_ms, channel, workflow, provider, recipient, detail, number,
    state, changed_ms, by, why, mark
FROM dead_letter
WHERE state = :state AND number < coalesce(:edge, 9223372036854775807)
    AND (:channel IS NULL OR channel = :channel) AND (:lane IS NULL OR lane = :lane)
    AND (:workflow IS NULL OR workflow = :workflow)
    AND (:provider IS NULL OR provider = :provider)
    AND (:reason IS NULL OR reason = :reason) AND (:since_ms IS NULL OR at_ms >= :since_ms)
ORDER BY number DESC LIMIT :rows

-- first --
SELECT key, kind, lane, reason, at_ms, channel, workflow, provider, recipient, detail, number,
    state, changed_ms, by, why, mark
FROM dead_letter
WHERE state = :state AND number > :edge
    AND (:channel IS NULL OR channel = :channel) AND (:lane IS NULL OR lane = :lane)
    AND (:workflow IS NULL OR workflow = :workflow)
    AND (:provider IS NULL OR provider = :provider)
    AND (:reason IS NULL OR reason = :reason) AND (:since_ms IS NULL OR at_ms >= :since_ms)
ORDER BY number LIMIT :rows

-- move --
UPDATE dead_letter SET state = ?3, by = coalesce(?4, by), why = coalesce(?5, why),
    changed_ms = ?6, mark = ?7
WHERE number = ?1 AND state = ?2

-- unnamed --
SELECT key, kind, lane, reason, at_ms, channel, workflow, provider, recipient, detail, number,
    state, changed_ms, by, why, mark
FROM dead_letter WHERE workflow = '' AND kind = 'delivery' ORDER BY number LIMIT ?

-- name --
UPDATE dead_letter SET workflow = ?2 WHERE number = ?1

-- counts --
SELECT lane, channel, reason, count(*) FROM dead_letter WHERE state = 'waiting'
GROUP BY lane, channel, reason

-- erase --
DELETE FROM dead_letter WHERE recipient IN (SELECT value FROM carray(?)) AND recipient > 0

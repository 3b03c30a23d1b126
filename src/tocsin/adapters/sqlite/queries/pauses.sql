-- add --
INSERT INTO pause (id, at_ms, doc) VALUES (?, ?, ?)
ON CONFLICT (id) DO NOTHING

-- end --
UPDATE pause SET ended_ms = ?2, ended_by = ?3 WHERE id = ?1 AND ended_ms IS NULL

-- in_force --
SELECT doc, ended_ms, ended_by FROM pause WHERE ended_ms IS NULL ORDER BY at_ms, id

-- get --
SELECT doc, ended_ms, ended_by FROM pause
WHERE id IN (SELECT value FROM carray(?)) ORDER BY at_ms, id

-- queues --
WITH RECURSIVE found (queue) AS (
    SELECT min(queue) FROM parked
    UNION ALL
    SELECT (SELECT min(queue) FROM parked WHERE parked.queue > found.queue) FROM found
    WHERE found.queue IS NOT NULL
)
SELECT queue FROM found WHERE queue IS NOT NULL

-- parked --
SELECT timer.key, timer.due_ms, timer.topic, timer.partition, timer.record, timer.about,
    timer.kind, timer.reason
FROM parked CROSS JOIN timer ON timer.key = parked.key
WHERE parked.queue = ? ORDER BY parked.number LIMIT ?

-- count --
SELECT count(*) FROM (SELECT 1 FROM parked WHERE queue = ? LIMIT ?)

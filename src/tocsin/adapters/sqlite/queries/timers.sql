-- arm --
INSERT INTO timer (key, due_ms, topic, partition, record, about, kind, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO NOTHING

-- due --
SELECT key, due_ms, topic, partition, record, about, kind, reason FROM timer
WHERE retired_ms IS NULL AND due_ms <= ? ORDER BY due_ms, key LIMIT ?

-- next --
SELECT min(due_ms) FROM timer WHERE retired_ms IS NULL

-- waiting --
SELECT timer.key, timer.due_ms, timer.topic, timer.partition, timer.record, timer.about,
    timer.kind, timer.reason
FROM carray(?) AS wanted CROSS JOIN timer ON timer.about = wanted.value
WHERE timer.retired_ms IS NULL ORDER BY timer.due_ms, timer.key

-- known --
SELECT timer.key, timer.due_ms, timer.topic, timer.partition, timer.record, timer.about,
    timer.kind, timer.reason
FROM carray(?) AS wanted CROSS JOIN timer ON timer.about = wanted.value
ORDER BY timer.due_ms, timer.key

-- retire --
UPDATE timer SET retired_ms = ?2, record = x''
WHERE key IN (SELECT value FROM carray(?1)) AND retired_ms IS NULL

-- disarm --
UPDATE timer SET retired_ms = due_ms, record = x''
WHERE key IN (SELECT value FROM carray(?)) AND retired_ms IS NULL

-- forget --
DELETE FROM timer WHERE key IN (
    SELECT key FROM timer WHERE retired_ms < ? ORDER BY retired_ms LIMIT ?
)

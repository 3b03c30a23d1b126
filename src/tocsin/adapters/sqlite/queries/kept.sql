-- since --
SELECT at_ms FROM kept_since WHERE name = ?

-- rise --
INSERT INTO kept_since (name, at_ms) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms WHERE excluded.at_ms > kept_since.at_ms

-- armed --
SELECT due_ms, key, about FROM timer
WHERE retired_ms IS NULL AND (due_ms, key) > (?1, ?2) ORDER BY due_ms, key LIMIT ?3

-- waiting --
SELECT min(run) FROM wait

-- running --
SELECT min(event) FROM fanout WHERE state IN ('running', 'paused')

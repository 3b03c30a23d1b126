-- settled --
DELETE FROM settled_chunk WHERE number IN (
    SELECT number FROM settled_chunk WHERE last_ms < ?1 ORDER BY last_ms LIMIT ?2
)

-- late --
DELETE FROM settled_late WHERE delivery IN (
    SELECT delivery FROM settled_late WHERE accepted_ms < ?1 ORDER BY accepted_ms LIMIT ?2
)

-- counted_fanouts --
DELETE FROM settled_broadcast WHERE (fanout, step, block, part) IN (
    SELECT fanout, step, block, part FROM settled_broadcast WHERE fanout < ?1
    ORDER BY fanout, step, block, part LIMIT ?2
)

-- attempts --
DELETE FROM attempt WHERE (delivery, partition, position) IN (
    SELECT delivery, partition, position FROM attempt WHERE delivery < ?1
    ORDER BY delivery, partition, position LIMIT ?2
)

-- attempt_chunks --
DELETE FROM attempt_chunk WHERE number IN (
    SELECT number FROM attempt_chunk WHERE last_ms < ?1 ORDER BY last_ms LIMIT ?2
)

-- settled_since --
SELECT min(accepted_ms) FROM (
    SELECT accepted_ms FROM settled_late WHERE at_ms >= ? ORDER BY accepted_ms LIMIT 1
)

-- broadcasts --
SELECT block, position, body FROM inbox_broadcast
WHERE (block, position) > (?1, ?2) ORDER BY block, position LIMIT ?3

-- delete_broadcast --
DELETE FROM inbox_broadcast WHERE block = ? AND position = ?

-- states --
SELECT recipient, item FROM inbox_state
WHERE (recipient, item) > (?1, ?2) ORDER BY recipient, item LIMIT ?3

-- delete_state --
DELETE FROM inbox_state WHERE recipient = ? AND item = ?

-- sweeps --
SELECT recipient, position, at_ms FROM inbox_sweep
WHERE (recipient, position) > (?1, ?2) ORDER BY recipient, position LIMIT ?3

-- delete_sweep --
DELETE FROM inbox_sweep WHERE recipient = ? AND position = ?

-- changes --
SELECT recipient, position, body FROM inbox_change
WHERE (recipient, position) > (?1, ?2) ORDER BY recipient, position LIMIT ?3

-- delete_change --
DELETE FROM inbox_change WHERE recipient = ? AND position = ?

-- floor --
INSERT INTO inbox_floor (partition, position) VALUES (?, ?)
ON CONFLICT (partition) DO UPDATE SET position = excluded.position
WHERE excluded.position > inbox_floor.position

-- floors --
SELECT partition, position FROM inbox_floor

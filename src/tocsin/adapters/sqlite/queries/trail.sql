-- head --
SELECT number, hash FROM trail_head

-- move_head --
UPDATE trail_head SET number = ?, hash = ?

-- add --
INSERT INTO trail (number, at_ms, change, hash) VALUES (?, ?, ?, ?)

-- since --
SELECT number, change FROM trail WHERE number > ? AND at_ms >= ? ORDER BY number LIMIT ?

-- links --
SELECT number, change, hash FROM trail WHERE number > ? ORDER BY number LIMIT ?

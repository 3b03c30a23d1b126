-- put --
INSERT INTO erasure (id, digest, recipient, begun_ms, done_ms, doc) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET done_ms = excluded.done_ms, doc = excluded.doc

-- get --
SELECT doc FROM erasure WHERE id = ?

-- running --
SELECT doc FROM erasure WHERE done_ms IS NULL ORDER BY begun_ms, id

-- of_digest --
SELECT doc FROM erasure WHERE digest = ? ORDER BY begun_ms, id

-- numbers --
SELECT recipient FROM erasure

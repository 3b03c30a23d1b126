-- get --
SELECT doc FROM suppression WHERE id = ?

-- put --
INSERT INTO suppression (id, recipient, digest, doc) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    recipient = excluded.recipient, digest = excluded.digest, doc = excluded.doc

-- delete --
DELETE FROM suppression WHERE id = ?

-- page --
SELECT doc FROM suppression WHERE id > ? ORDER BY id LIMIT ?

-- of_recipients --
SELECT suppression.doc
FROM carray(?) AS wanted CROSS JOIN suppression ON suppression.recipient = wanted.value

-- of_digests --
SELECT suppression.doc
FROM carray(?) AS wanted CROSS JOIN suppression ON suppression.digest = wanted.value

-- all_recipients --
SELECT recipient FROM suppression WHERE recipient IS NOT NULL

-- all_digests --
SELECT substr(digest, 1, 4) FROM suppression WHERE digest IS NOT NULL

-- put_lifted --
INSERT INTO lifted_suppression (id, at_ms, said_in) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, said_in = excluded.said_in
WHERE excluded.at_ms >= at_ms

-- lifted --
SELECT id, at_ms, said_in FROM lifted_suppression WHERE id = ?

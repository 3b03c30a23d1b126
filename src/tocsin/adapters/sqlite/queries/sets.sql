-- get --
SELECT bitmap FROM recipient_set WHERE key = ? AND block = ?

-- put --
INSERT INTO recipient_set (key, block, bitmap) VALUES (?, ?, ?)
ON CONFLICT (key, block) DO UPDATE SET bitmap = excluded.bitmap

-- delete --
DELETE FROM recipient_set WHERE key = ? AND block = ?

-- whole --
SELECT bitmap FROM recipient_set WHERE key = ?

-- block --
SELECT recipient_set.key, recipient_set.bitmap
FROM carray(?) AS wanted
CROSS JOIN recipient_set ON recipient_set.key = wanted.value AND recipient_set.block = ?

-- keep --
INSERT INTO orphan (provider, reference, receipt, at_ms) VALUES ('', ?, ?, ?)
ON CONFLICT (provider, reference, receipt) DO NOTHING

-- expire --
DELETE FROM orphan WHERE number IN (
    SELECT number FROM orphan WHERE at_ms < ? ORDER BY at_ms LIMIT ?
)

-- crowd_out --
DELETE FROM orphan WHERE number <= (SELECT max(number) FROM orphan) - ?

-- get --
SELECT receipt FROM orphan WHERE provider = '' AND reference = ? ORDER BY number

-- delete --
DELETE FROM orphan WHERE provider = '' AND reference = ? AND receipt = ?

-- all --
SELECT DISTINCT reference FROM orphan WHERE provider = ''

-- put --
INSERT INTO status_webhook (key, version, disabled_ms, doc, told) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET version = excluded.version, disabled_ms = excluded.disabled_ms,
    doc = excluded.doc

-- all --
SELECT doc, disabled_ms FROM status_webhook ORDER BY key

-- delete --
DELETE FROM status_webhook WHERE key = ?

-- disable --
UPDATE status_webhook SET disabled_ms = ?3 WHERE key = ?1 AND version = ?2 AND disabled_ms IS NULL

-- told --
SELECT told FROM status_webhook WHERE key = ?

-- tell --
UPDATE status_webhook SET told = ?2 WHERE key = ?1

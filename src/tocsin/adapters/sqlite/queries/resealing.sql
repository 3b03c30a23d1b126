-- current --
SELECT number, version, doc FROM recipient WHERE number > ?1 AND ?2 >= 0 ORDER BY number LIMIT ?3

-- write_current --
UPDATE recipient SET doc = ? WHERE number = ? AND version = ?

-- versions --
SELECT number, version, doc FROM recipient_version WHERE (number, version) > (?1, ?2)
ORDER BY number, version LIMIT ?3

-- write_versions --
UPDATE recipient_version SET doc = ? WHERE number = ? AND version = ?

-- webhooks --
SELECT doc FROM status_webhook

-- write_webhook --
UPDATE status_webhook SET doc = ? WHERE key = ?

-- add --
INSERT INTO api_key (id, doc) VALUES (?, ?)
ON CONFLICT (id) DO NOTHING

-- all --
SELECT doc, revoked_ms FROM api_key ORDER BY id

-- revoke --
UPDATE api_key SET revoked_ms = coalesce(revoked_ms, ?2) WHERE id = ?1

-- expire --
DELETE FROM idempotency WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency WHERE begun_ms < ? ORDER BY begun_ms LIMIT ?
)

-- get --
SELECT fingerprint, begun_ms, answer FROM idempotency WHERE scope = ? AND key = ?

-- begin --
INSERT INTO idempotency (scope, key, fingerprint, begun_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (scope, key) DO UPDATE SET
    fingerprint = excluded.fingerprint, begun_ms = excluded.begun_ms, answer = NULL

-- finish --
UPDATE idempotency SET answer = ? WHERE scope = ? AND key = ?

-- forget --
DELETE FROM idempotency WHERE scope = ? AND key = ? AND answer IS NULL

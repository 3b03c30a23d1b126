-- put --
INSERT INTO standing_message (key, recipient, provider, provider_id, event_ms, at_ms)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    recipient = excluded.recipient,
    provider = excluded.provider,
    provider_id = excluded.provider_id,
    event_ms = excluded.event_ms,
    at_ms = excluded.at_ms

-- by_key --
SELECT key, recipient, provider, provider_id, event_ms, at_ms FROM standing_message
WHERE key IN (SELECT value FROM carray(?))

-- erase --
DELETE FROM standing_message WHERE recipient = ?

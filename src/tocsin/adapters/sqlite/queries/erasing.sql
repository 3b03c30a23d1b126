-- changes --
SELECT position, body FROM inbox_change WHERE recipient = ?

-- delete_changes --
DELETE FROM inbox_change WHERE recipient = ?

-- delete_states --
DELETE FROM inbox_state WHERE recipient = ?

-- delete_sweeps --
DELETE FROM inbox_sweep WHERE recipient = ?

-- count_groups --
UPDATE audience_group SET members = members - 1 WHERE number IN (
    SELECT audience_group FROM audience_membership WHERE recipient = ? AND until_ms IS NULL
)

-- delete_memberships --
DELETE FROM audience_membership WHERE recipient = ?

-- delete_subscriptions --
DELETE FROM audience_subscription WHERE recipient = ?

-- tombstones --
SELECT key, at_ms, recipients, until_ms FROM claim_tombstone

-- delete_tombstone --
DELETE FROM claim_tombstone WHERE key = ? AND at_ms = ? AND recipients = ?

-- put_tombstone --
INSERT INTO claim_tombstone (key, at_ms, recipients, until_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (key, at_ms, recipients) DO NOTHING

-- answers --
SELECT scope, key, answer FROM idempotency WHERE (scope, key) > (?1, ?2)
ORDER BY scope, key LIMIT ?3

-- delete_answer --
DELETE FROM idempotency WHERE scope = ? AND key = ?

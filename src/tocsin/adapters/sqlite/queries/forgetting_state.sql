-- claims --
DELETE FROM claim WHERE delivery IN (
    SELECT delivery FROM claim WHERE delivery < ?1 ORDER BY delivery LIMIT ?2
)

-- timers --
DELETE FROM timer WHERE key IN (
    SELECT key FROM timer WHERE retired_ms < ?1 ORDER BY retired_ms LIMIT ?2
)

-- tombstones --
DELETE FROM claim_tombstone WHERE (key, at_ms, recipients) IN (
    SELECT key, at_ms, recipients FROM claim_tombstone WHERE until_ms < ?1 ORDER BY until_ms LIMIT ?2
)

-- idempotency --
DELETE FROM idempotency WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency WHERE begun_ms < ?1 ORDER BY begun_ms LIMIT ?2
)

-- orphans --
DELETE FROM orphan WHERE number IN (
    SELECT number FROM orphan WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2
)

-- dead_letters --
DELETE FROM dead_letter WHERE number IN (
    SELECT number FROM dead_letter WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2
)

-- standings --
DELETE FROM standing_message WHERE key IN (
    SELECT key FROM standing_message WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2
)

-- ended_fanouts --
SELECT key, doc FROM fanout
WHERE key < ?1 AND state NOT IN ('running', 'paused') ORDER BY key LIMIT ?2

-- delete_fanouts --
DELETE FROM fanout WHERE key IN (SELECT value FROM carray(?))

-- versions --
SELECT number, version, coalesce(
    (SELECT changed_ms FROM recipient_version AS following
        WHERE following.number = old.number AND following.version = old.version + 1),
    (SELECT changed_ms FROM recipient WHERE recipient.number = old.number)
)
FROM recipient_version AS old
WHERE (number, version) > (?1, ?2) ORDER BY number, version LIMIT ?3

-- delete_version --
DELETE FROM recipient_version WHERE number = ? AND version = ?

-- memberships --
SELECT audience_group, recipient, entry, until_ms FROM audience_membership
WHERE (audience_group, recipient, entry) > (?1, ?2, ?3)
ORDER BY audience_group, recipient, entry LIMIT ?4

-- delete_membership --
DELETE FROM audience_membership WHERE audience_group = ? AND recipient = ? AND entry = ?

-- subscriptions --
SELECT entry, until_ms FROM audience_subscription WHERE entry > ?1 ORDER BY entry LIMIT ?2

-- delete_subscription --
DELETE FROM audience_subscription WHERE entry = ?

-- facts --
DELETE FROM wait_fact WHERE delivery IN (
    SELECT delivery FROM wait_fact WHERE delivery < ?1 ORDER BY delivery LIMIT ?2
)

-- dead_letters --
DELETE FROM dead_letter WHERE number IN (
    SELECT number FROM dead_letter WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2
)

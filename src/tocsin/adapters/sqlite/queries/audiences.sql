-- put_group --
INSERT INTO audience_group (key, name, changed_ms) VALUES (?1, ?2, ?3)
ON CONFLICT (key) DO UPDATE SET name = ?2, changed_ms = ?3, deleted_ms = NULL

-- group --
SELECT key, name, members FROM audience_group WHERE key = ? AND deleted_ms IS NULL

-- group_number --
SELECT number FROM audience_group WHERE key = ? AND deleted_ms IS NULL

-- delete_group --
UPDATE audience_group SET deleted_ms = ?2, changed_ms = ?2, members = 0 WHERE number = ?1

-- end_memberships --
UPDATE audience_membership SET until_ms = ?2 WHERE audience_group = ?1 AND until_ms IS NULL

-- join --
INSERT INTO audience_membership (audience_group, recipient, from_ms, entry)
SELECT ?1, joining.value, ?3, (
    SELECT coalesce(max(past.entry), 0) + 1 FROM audience_membership AS past
    WHERE past.audience_group = ?1 AND past.recipient = joining.value
)
FROM carray(?2) AS joining
WHERE true
ON CONFLICT (audience_group, recipient) WHERE until_ms IS NULL DO NOTHING

-- leave --
UPDATE audience_membership SET until_ms = ?3
WHERE audience_group = ?1 AND until_ms IS NULL
AND recipient IN (SELECT value FROM carray(?2))

-- count_members --
UPDATE audience_group SET members = members + ?2, changed_ms = ?3 WHERE number = ?1

-- members --
SELECT membership.recipient
FROM audience_group JOIN audience_membership AS membership
    ON membership.audience_group = audience_group.number
WHERE audience_group.key = ? AND audience_group.deleted_ms IS NULL
AND membership.until_ms IS NULL AND membership.recipient > ?
ORDER BY membership.recipient LIMIT ?

-- members_at --
SELECT DISTINCT wanted.value
FROM carray(?2) AS wanted CROSS JOIN audience_membership AS membership
    ON membership.audience_group = (SELECT number FROM audience_group WHERE key = ?1)
    AND membership.recipient = wanted.value
WHERE membership.from_ms <= ?3 AND (membership.until_ms IS NULL OR membership.until_ms > ?3)

-- end_subscription --
UPDATE audience_subscription SET until_ms = ?4
WHERE collection = ?1 AND object = ?2 AND recipient = ?3 AND until_ms IS NULL

-- subscribe --
INSERT INTO audience_subscription (collection, object, recipient, from_ms, doc)
VALUES (?, ?, ?, ?, ?)

-- subscribers --
SELECT from_ms, until_ms, doc FROM audience_subscription
WHERE collection = ? AND object = ? AND until_ms IS NULL
ORDER BY recipient

-- subscribers_at --
SELECT from_ms, until_ms, doc FROM audience_subscription
WHERE collection = ?1 AND object = ?2 AND from_ms <= ?3 AND (until_ms IS NULL OR until_ms > ?3)
ORDER BY recipient

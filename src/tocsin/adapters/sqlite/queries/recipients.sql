-- by_id --
SELECT recipient.doc
FROM carray(?) AS wanted CROSS JOIN recipient ON recipient.id = wanted.value

-- erased --
SELECT recipient.doc
FROM carray(?) AS wanted CROSS JOIN recipient
    ON recipient.id > wanted.value AND recipient.id < wanted.value || ':'

-- by_number --
SELECT recipient.doc
FROM carray(?) AS wanted CROSS JOIN recipient ON recipient.number = wanted.value

-- page --
SELECT doc FROM recipient WHERE id > ? ORDER BY id LIMIT ?

-- counter --
SELECT newest FROM recipient_counter

-- count --
UPDATE recipient_counter SET newest = max(newest, ?)

-- keep_versions --
INSERT INTO recipient_version (number, version, changed_ms, doc)
SELECT recipient.number, recipient.version, recipient.changed_ms, recipient.doc
FROM carray(?) AS replaced CROSS JOIN recipient ON recipient.number = replaced.value

-- put --
INSERT INTO recipient (number, id, version, changed_ms, doc) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET
    id = excluded.id,
    version = excluded.version,
    changed_ms = excluded.changed_ms,
    doc = excluded.doc
WHERE recipient.version = excluded.version - 1

-- forget_versions --
DELETE FROM recipient_version WHERE number IN (SELECT value FROM carray(?))

-- version --
SELECT doc FROM recipient WHERE number = ?1 AND version = ?2
UNION ALL
SELECT doc FROM recipient_version WHERE number = ?1 AND version = ?2

-- version_at --
SELECT doc FROM (
    SELECT version, doc FROM recipient WHERE number = ?1 AND changed_ms <= ?2
    UNION ALL
    SELECT version, doc FROM recipient_version WHERE number = ?1 AND changed_ms <= ?2
)
ORDER BY version DESC LIMIT 1

-- insert --
INSERT INTO claim (
    delivery, holder, state, epoch, at_ms, cancellation_key, event_ms, lane, channel
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (delivery) DO NOTHING

-- get --
SELECT claim.delivery, claim.holder, claim.state, claim.epoch, claim.at_ms,
    claim.cancellation_key, claim.event_ms, claim.lane, claim.channel
FROM carray(?) AS wanted CROSS JOIN claim ON claim.delivery = wanted.value

-- swap --
UPDATE claim SET holder = ?, state = ?, epoch = ?, at_ms = ?
WHERE delivery = ? AND holder = ? AND state = ? AND epoch = ?

-- by_cancellation_key --
SELECT delivery, holder, state, epoch, at_ms, cancellation_key, event_ms, lane, channel
FROM claim WHERE cancellation_key = ? ORDER BY delivery

-- put_tombstone --
INSERT INTO claim_tombstone (key, at_ms, recipients, until_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (key, at_ms, recipients) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)

-- expire_tombstones --
DELETE FROM claim_tombstone WHERE (key, at_ms, recipients) IN (
    SELECT key, at_ms, recipients FROM claim_tombstone
    WHERE until_ms < ? ORDER BY until_ms LIMIT ?
)

-- tombstones --
SELECT claim_tombstone.key, claim_tombstone.recipients, claim_tombstone.at_ms,
    claim_tombstone.until_ms
FROM carray(?) AS wanted CROSS JOIN claim_tombstone ON claim_tombstone.key = wanted.value
WHERE claim_tombstone.until_ms >= ?
ORDER BY claim_tombstone.at_ms

-- recipient_ids --
SELECT recipient.number, recipient.id
FROM carray(?) AS wanted CROSS JOIN recipient ON recipient.number = wanted.value

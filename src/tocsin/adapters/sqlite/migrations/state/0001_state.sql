-- What people configured, and what may race. The prefix of a name is its file under adapters/sqlite.

CREATE TABLE recipient_counter (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    newest INTEGER NOT NULL
) STRICT;
INSERT INTO recipient_counter VALUES (1, 0);

CREATE TABLE recipient (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    doc BLOB NOT NULL
) STRICT;

CREATE TABLE recipient_version (
    number INTEGER NOT NULL,
    version INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (number, version)
) STRICT, WITHOUT ROWID;

-- A set of dense numbers, cut into blocks of 65,536: serialised Roaring bitmaps.
CREATE TABLE recipient_set (
    key TEXT NOT NULL,
    block INTEGER NOT NULL,
    bitmap BLOB NOT NULL,
    PRIMARY KEY (key, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE audience_group (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    name TEXT,
    members INTEGER NOT NULL DEFAULT 0,
    changed_ms INTEGER NOT NULL,
    deleted_ms INTEGER
) STRICT;

CREATE TABLE audience_membership (
    audience_group INTEGER NOT NULL,
    recipient INTEGER NOT NULL,
    from_ms INTEGER NOT NULL,
    until_ms INTEGER,
    entry INTEGER NOT NULL,
    PRIMARY KEY (audience_group, recipient, entry)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX audience_member
    ON audience_membership (audience_group, recipient) WHERE until_ms IS NULL;

CREATE TABLE audience_subscription (
    entry INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    object TEXT NOT NULL,
    recipient INTEGER NOT NULL,
    from_ms INTEGER NOT NULL,
    until_ms INTEGER,
    doc BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX audience_subscriber
    ON audience_subscription (collection, object, recipient) WHERE until_ms IS NULL;
CREATE INDEX audience_subscription_at
    ON audience_subscription (collection, object, from_ms);

CREATE TABLE suppression (
    id TEXT PRIMARY KEY,
    recipient INTEGER,
    digest BLOB,
    doc BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX suppression_recipient ON suppression (recipient) WHERE recipient IS NOT NULL;
CREATE INDEX suppression_digest ON suppression (digest) WHERE digest IS NOT NULL;

CREATE TABLE workflow (
    key TEXT PRIMARY KEY,
    active INTEGER NOT NULL,
    newest INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workflow_version (
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    document BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    by TEXT NOT NULL,
    PRIMARY KEY (key, version)
) STRICT;

CREATE TABLE workflow_category (
    key TEXT PRIMARY KEY,
    changed_ms INTEGER NOT NULL,
    doc BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workflow_tenant (
    key TEXT PRIMARY KEY,
    changed_ms INTEGER NOT NULL,
    doc BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    begun_ms INTEGER NOT NULL,
    answered_ms INTEGER,
    answer BLOB,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (begun_ms);

CREATE TABLE claim (
    delivery BLOB PRIMARY KEY,
    holder TEXT NOT NULL,
    state TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    cancellation_key TEXT,
    event_ms INTEGER,
    lane TEXT NOT NULL,
    channel TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_cancellation
    ON claim (cancellation_key) WHERE cancellation_key IS NOT NULL;

CREATE TABLE claim_tombstone (
    key TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    recipients BLOB NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (key, at_ms, recipients)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_tombstone_end ON claim_tombstone (until_ms);

CREATE TABLE timer (
    key BLOB PRIMARY KEY,
    due_ms INTEGER NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    record BLOB NOT NULL,
    about BLOB NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    retired_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX timer_due ON timer (due_ms) WHERE retired_ms IS NULL;
CREATE INDEX timer_about ON timer (about);
CREATE INDEX timer_retired ON timer (retired_ms) WHERE retired_ms IS NOT NULL;

CREATE TABLE fanout (
    key BLOB PRIMARY KEY,
    event BLOB NOT NULL,
    lane TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    doc BLOB NOT NULL,
    cursor INTEGER NOT NULL,
    decided INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX fanout_event ON fanout (event);
CREATE INDEX fanout_running ON fanout (lane, created_ms) WHERE state = 'running';

CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    revoked_ms INTEGER,
    doc BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE trail (
    number INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    change BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE trail_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
INSERT INTO trail_head VALUES (1, 0, zeroblob(32));

CREATE TABLE orphan (
    number INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    reference TEXT NOT NULL,
    receipt BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    UNIQUE (provider, reference, receipt)
) STRICT;
CREATE INDEX orphan_age ON orphan (at_ms);

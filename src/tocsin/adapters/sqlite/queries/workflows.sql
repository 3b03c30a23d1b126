-- put_draft --
INSERT INTO workflow_version (key, version, document, at_ms, by) VALUES (?, 0, ?, ?, ?)
ON CONFLICT (key, version) DO UPDATE SET
    document = excluded.document, at_ms = excluded.at_ms, by = excluded.by

-- count --
INSERT INTO workflow (key, active, newest) VALUES (?, true, 1)
ON CONFLICT (key) DO UPDATE SET active = true, newest = newest + 1
RETURNING newest

-- publish --
INSERT INTO workflow_version (key, version, document, at_ms, by) VALUES (?, ?, ?, ?, ?)

-- set_active --
UPDATE workflow SET active = ? WHERE key = ?

-- version --
SELECT stored.key, stored.version, stored.document, stored.at_ms, coalesce(workflow.active, true),
    stored.by
FROM workflow_version AS stored LEFT JOIN workflow ON workflow.key = stored.key
WHERE stored.key = ? AND stored.version = ?

-- versions --
SELECT stored.key, stored.version, stored.document, stored.at_ms, workflow.active, stored.by
FROM workflow_version AS stored JOIN workflow ON workflow.key = stored.key
WHERE stored.key = ? AND stored.version > 0
ORDER BY stored.version DESC

-- published --
SELECT stored.key, stored.version, stored.document, stored.at_ms, workflow.active, stored.by
FROM workflow JOIN workflow_version AS stored
    ON stored.key = workflow.key AND stored.version = workflow.newest
ORDER BY stored.key

-- put_category --
INSERT INTO workflow_category (key, changed_ms, doc) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET changed_ms = excluded.changed_ms, doc = excluded.doc

-- categories --
SELECT doc FROM workflow_category ORDER BY key

-- put_tenant --
INSERT INTO workflow_tenant (key, changed_ms, doc) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET changed_ms = excluded.changed_ms, doc = excluded.doc

-- tenants --
SELECT doc FROM workflow_tenant ORDER BY key

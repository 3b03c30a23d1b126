-- Where the log begins: what lay before was kept long enough. A partition of which nothing is left
-- must not begin anew at 0.
CREATE TABLE log_start (
    topic INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

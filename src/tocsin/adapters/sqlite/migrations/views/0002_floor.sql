-- Below these positions of inbox.states changes may be gone: a cursor from there cannot be continued.
CREATE TABLE inbox_floor (
    partition INTEGER PRIMARY KEY,
    position INTEGER NOT NULL
);

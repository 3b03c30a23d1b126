"""
Numbered SQL files that bring a database to the schema of this version.

Each file is one step and one transaction together with its row in ``schema_version``, so a
process that is killed at any statement leaves whole steps only. A step that was applied never
changes: its checksum is compared at every start.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import apsw
import msgspec

from tocsin.errors import StorageFailed

_STEP_NAME: Final = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_version (
    db TEXT NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_ms INTEGER NOT NULL,
    PRIMARY KEY (db, version)
) STRICT, WITHOUT ROWID
"""


class SchemaRefused(StorageFailed):
    """This database was not made by this version's steps, or by a newer version."""

    code = "schema_refused"
    title = "The database does not fit this version"


class Step(msgspec.Struct, frozen=True):
    """One numbered file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What tells whether the file has changed since it was applied."""
        return hashlib.blake2b(self.sql.encode(), digest_size=16).hexdigest()


def steps(db: str, *, folder: Traversable | None = None) -> list[Step]:
    """
    Read the steps of one database, in order.

    Raises:
        SchemaRefused: the folder is missing, or its numbers are not 1, 2, 3 and so on.
    """
    root = files("tocsin.adapters.sqlite") / "migrations" if folder is None else folder
    found = [
        Step(int(match["version"]), match["name"], entry.read_text(encoding="utf-8"))
        for entry in (root / db).iterdir()
        if (match := _STEP_NAME.fullmatch(entry.name))
    ]
    found.sort(key=lambda step: step.version)
    if [step.version for step in found] != list(range(1, len(found) + 1)) or not found:
        raise SchemaRefused(f"the steps of {db!r} are not numbered 1, 2, 3 …")
    return found


def pending(
    connection: apsw.Connection, db: str, *, folder: Traversable | None = None
) -> list[Step]:
    """
    Compare the database with the steps and return those that it lacks.

    Raises:
        SchemaRefused: the database is newer than this version, or an applied step has changed.
    """
    known = steps(db, folder=folder)
    applied = _applied(connection, db)
    newest = max(applied, default=0)
    if newest > len(known):
        raise SchemaRefused(
            f"database {db!r} has schema {newest}; this version knows {len(known)}. "
            "Start the version that wrote it, or restore a backup"
        )
    for step in known[:newest]:
        if applied.get(step.version) != step.checksum:
            raise SchemaRefused(
                f"step {step.version} of database {db!r} differs from what was applied to this"
                " folder: another build wrote it. Start that build with this folder, or this one"
                " with a folder of its own (--data)"
            )
    return known[newest:]


def apply(
    connection: apsw.Connection, db: str, now_ms: int, *, folder: Traversable | None = None
) -> list[str]:
    """
    Apply the missing steps, each in a transaction of its own, and return their names.

    Raises:
        SchemaRefused: as :func:`pending`; nothing was changed.
    """
    missing = pending(connection, db, folder=folder)
    for step in missing:
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(_TABLE)
            connection.execute(step.sql)
            connection.execute(
                "INSERT INTO schema_version VALUES (?, ?, ?, ?, ?)",
                (db, step.version, step.name, step.checksum, now_ms),
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return [f"{step.version:04}_{step.name}" for step in missing]


def _applied(connection: apsw.Connection, db: str) -> dict[int, str]:
    exists = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'"
    ).get
    if not exists:
        return {}
    rows = connection.execute("SELECT version, checksum FROM schema_version WHERE db = ?", (db,))
    return {int(version): str(checksum) for version, checksum in rows}

"""Steps are applied whole, once, in order, and never changed afterwards."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tocsin.adapters.sqlite.connection import open_writer
from tocsin.adapters.sqlite.migrations import SchemaRefused, apply, pending

FIRST = "CREATE TABLE a (x);\nINSERT INTO a VALUES (1);\n"
SECOND = "CREATE TABLE b (x);\nINSERT INTO b SELECT x FROM a;\nCREATE TABLE c (x);\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "migrations" / "log").mkdir(parents=True)
    (tmp_path / "migrations" / "log" / "0001_first.sql").write_text(FIRST)
    return tmp_path / "migrations"


@pytest.fixture
def connection(tmp_path: Path) -> apsw.Connection:
    return open_writer(tmp_path / "a.db")


def tables(connection: apsw.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return {name for (name,) in rows} - {"schema_version"}


def test_steps_are_applied_once_and_recorded(folder: Path, connection: apsw.Connection) -> None:
    assert [step.name for step in pending(connection, "log", folder=folder)] == ["first"]
    assert apply(connection, "log", 17, folder=folder) == ["0001_first"]
    (folder / "log" / "0002_second.sql").write_text(SECOND)
    assert apply(connection, "log", 18, folder=folder) == ["0002_second"]
    assert apply(connection, "log", 19, folder=folder) == []
    rows = connection.execute("SELECT db, version, name, applied_ms FROM schema_version").fetchall()
    assert rows == [("log", 1, "first", 17), ("log", 2, "second", 18)]
    assert connection.execute("SELECT x FROM b").get == 1


def test_databases_in_one_file_have_steps_of_their_own(
    folder: Path, connection: apsw.Connection
) -> None:
    (folder / "state").mkdir()
    (folder / "state" / "0001_first.sql").write_text("CREATE TABLE s (x);")
    apply(connection, "log", 1, folder=folder)
    assert apply(connection, "state", 1, folder=folder) == ["0001_first"]
    assert tables(connection) == {"a", "s"}


def test_a_newer_database_is_refused(folder: Path, connection: apsw.Connection) -> None:
    (folder / "log" / "0002_second.sql").write_text(SECOND)
    apply(connection, "log", 1, folder=folder)
    (folder / "log" / "0002_second.sql").unlink()
    with pytest.raises(SchemaRefused, match="has schema 2; this version knows 1"):
        apply(connection, "log", 2, folder=folder)


def test_a_step_that_changed_is_refused(folder: Path, connection: apsw.Connection) -> None:
    apply(connection, "log", 1, folder=folder)
    (folder / "log" / "0001_first.sql").write_text(FIRST + "-- one more thought\n")
    with pytest.raises(SchemaRefused, match="differs"):
        pending(connection, "log", folder=folder)


def test_steps_without_a_number_in_between_are_refused(
    folder: Path, connection: apsw.Connection
) -> None:
    (folder / "log" / "0003_third.sql").write_text("CREATE TABLE d (x);")
    with pytest.raises(SchemaRefused, match="numbered"):
        apply(connection, "log", 1, folder=folder)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("survived", range(3))
def test_a_step_is_whole_or_absent_whichever_statement_was_the_last(
    folder: Path, connection: apsw.Connection, survived: int
) -> None:
    apply(connection, "log", 1, folder=folder)
    (folder / "log" / "0002_second.sql").write_text(SECOND)
    seen = 0

    def die(_cursor: object, statement: str, _bindings: object) -> bool:
        nonlocal seen
        if statement.strip().startswith(("CREATE TABLE b", "INSERT INTO b", "CREATE TABLE c")):
            if seen == survived:
                raise Killed
            seen += 1
        return True

    connection.exec_trace = die
    with pytest.raises(Killed):
        apply(connection, "log", 2, folder=folder)
    connection.exec_trace = None
    assert tables(connection) == {"a"}
    assert apply(connection, "log", 3, folder=folder) == ["0002_second"]
    assert tables(connection) == {"a", "b", "c"}

"""A group of operations in one transaction: one bad operation rejects only itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import apsw

Operation = Callable[[apsw.Connection], Any]
Outcome = tuple[Any, Exception | None]
CrashPoint = Callable[[str], None]


class EssentialFailed(Exception):
    """An operation failed that those behind it count on; its cause is what it raised."""


# After one of these nothing of the transaction can be trusted, whichever operation met it.
FAILS_THE_GROUP: Final = (
    apsw.FullError,
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.NoMemError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    EssentialFailed,
)


class Essential:
    """
    An operation without which nothing of its group may stand.

    It needs no savepoint, since it is never undone alone; that saves two calls into SQLite, each of
    which gives the interpreter away and waits to get it back.
    """

    __slots__ = ("_operation",)

    def __init__(self, operation: Operation) -> None:
        self._operation = operation

    def __call__(self, connection: apsw.Connection) -> Any:
        """Run it; raises `EssentialFailed`, or what fails the group anyway."""
        try:
            return self._operation(connection)
        except FAILS_THE_GROUP:
            raise
        except Exception as error:
            raise EssentialFailed from error


def commit_group(
    connection: apsw.Connection, operations: Sequence[Operation], crash: CrashPoint | None
) -> list[Outcome]:
    """
    Run the operations in order in one transaction, commit it, and say what each came to.

    An operation that raises leaves nothing behind; the others stand. When this returns, what
    the others did is durable. When it raises, nothing of the group was kept, except that after
    an I/O error during the commit it is not known whether it was.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        run = _alone if len(operations) == 1 else _beside_others
        outcomes = [run(connection, operation) for operation in operations]
        if crash is not None:
            crash("before-commit")
        if connection.in_transaction:
            connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
    if crash is not None:
        crash("after-commit")
    return outcomes


def _alone(connection: apsw.Connection, operation: Operation) -> Outcome:
    # The transaction itself is the savepoint of a group of one: two statements saved.
    try:
        return operation(connection), None
    except FAILS_THE_GROUP:
        raise
    except Exception as error:  # noqa: BLE001  # the outcome of this operation
        _roll_back(connection)
        return None, error


def _beside_others(connection: apsw.Connection, operation: Operation) -> Outcome:
    if isinstance(operation, Essential):
        return operation(connection), None
    connection.execute("SAVEPOINT operation")
    try:
        result = operation(connection)
    except FAILS_THE_GROUP:
        raise
    except Exception as error:
        # Some errors make SQLite roll back everything: the earlier operations are gone, too.
        if not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO operation")
        connection.execute("RELEASE operation")
        return None, error
    connection.execute("RELEASE operation")
    return result, None


def _roll_back(connection: apsw.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")

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


def essential(operation: Operation) -> Operation:
    """Return *operation*, changed so that nothing of its group stands unless it does."""

    def run(connection: apsw.Connection) -> Any:
        try:
            return operation(connection)
        except FAILS_THE_GROUP:
            raise
        except Exception as error:
            raise EssentialFailed from error

    return run


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
        run = _alone if len(operations) == 1 else _in_savepoint
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


def _in_savepoint(connection: apsw.Connection, operation: Operation) -> Outcome:
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

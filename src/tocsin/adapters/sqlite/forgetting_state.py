"""What the state store lets go: rows of what has ended, and versions that nothing names any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.forgetting import Aged, Row, Walked, of_events_before
from tocsin.adapters.sqlite.sql import bind_blobs, queries
from tocsin.domain.keeping import Cut
from tocsin.ports.keeping import Forgets
from tocsin.ports.state import Fanout
from tocsin.ports.state.standings import KEPT_MS

_DAY_MS: Final = 86_400_000
_FANOUTS: Final = 50

_decode: Final = msgspec.msgpack.Decoder(Fanout).decode

DeleteBlobs = Callable[[Sequence[str]], Awaitable[None]]


def forgets_state(engine: StateEngine, delete_blobs: DeleteBlobs) -> Sequence[Forgets]:
    """Return every kind of rows of the state store that end."""
    sql = queries("forgetting_state")

    def day_ago(cut: Cut) -> int:
        return cut.now_ms - _DAY_MS

    return (
        Aged("claims", engine, sql["claims"], lambda cut: of_events_before(cut.history_ms)),
        Aged("facts", engine, sql["facts"], lambda cut: of_events_before(cut.history_ms)),
        Aged("dead letters", engine, sql["dead_letters"], lambda cut: cut.history_ms),
        Aged("timers", engine, sql["timers"], day_ago),
        Aged("tombstones", engine, sql["tombstones"], lambda cut: cut.now_ms),
        Aged("idempotency", engine, sql["idempotency"], day_ago),
        Aged("receipts", engine, sql["orphans"], day_ago),
        Aged("dead letters", engine, sql["dead_letters"], lambda cut: cut.history_ms),
        Aged("messages to edit", engine, sql["standings"], lambda cut: cut.now_ms - KEPT_MS),
        EndedFanouts(engine, delete_blobs),
        Walked(
            # A version counts until the next one was written.
            "versions",
            engine,
            sql["versions"],
            sql["delete_version"],
            begin=(0, 0),
            ended=_ended_before_history,
        ),
        Walked(
            "memberships",
            engine,
            sql["memberships"],
            sql["delete_membership"],
            begin=(0, 0, 0),
            ended=_ended_before_history,
        ),
        Walked(
            "subscriptions",
            engine,
            sql["subscriptions"],
            sql["delete_subscription"],
            begin=(0,),
            ended=_ended_before_history,
        ),
    )


class EndedFanouts:
    """Rows of fan-outs that ended, and the snapshots of their audiences."""

    name = "fanouts"

    def __init__(self, engine: StateEngine, delete_blobs: DeleteBlobs) -> None:
        self._engine = engine
        self._delete_blobs = delete_blobs
        self._sql = queries("forgetting_state")

    async def forget(self, cut: Cut) -> int | None:
        """Delete the snapshots before the rows that name them, so that none is left behind."""
        bindings = (of_events_before(cut.history_ms), _FANOUTS)
        rows: list[Row] = await self._engine.read(
            lambda c: c.execute(self._sql["ended_fanouts"], bindings).fetchall()
        )
        if not rows:
            return None
        await self._delete_blobs([_decode(doc).snapshot for _, doc in rows])
        keys = [key for key, _ in rows]
        await self._engine.execute(self._sql["delete_fanouts"], (bind_blobs(keys),))
        return len(rows)


def _ended_before_history(rows: Sequence[Row], cut: Cut) -> Sequence[Row]:
    return [row for row in rows if row[-1] is not None and row[-1] < cut.history_ms]

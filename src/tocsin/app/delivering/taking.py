"""Where a call and a cancel meet: one row, by compare-and-set, right before the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.app.delivering.work import Ended, Work
from tocsin.domain.delivery import State
from tocsin.domain.reasons import Reason
from tocsin.ports.state import Claim, Claims

WORKER: Final = "worker"
_CANCEL: Final = "cancel"


class Taking:
    """
    Takes the rows of cancellable deliveries before their calls, and gives them back.

    A row in state ``pending`` or ``deferred`` may be cancelled; in ``sending`` it is too late, and
    "cancelled" means that no provider was called. Deliveries of events without a cancellation key
    have no row.
    """

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def take(self, works: Sequence[Work], now_ms: int) -> None:
        """Move the rows of *works* that have a message to sending; end those a cancel came to."""
        racing = [(work, row) for work in works if (row := _row(work, now_ms)) is not None]
        if not racing:
            return
        standing = await self._claims.claim([row for _, row in racing])
        begun = [row for row in standing if not _is_settled(row)]
        after = await self._swap(begun, State.SENDING, now_ms)
        moved = {row.delivery: row for row in after}
        for (work, _), row in zip(racing, standing, strict=True):
            work.claim = moved.get(row.delivery, row)
            if work.claim.holder == _CANCEL:
                work.message = None
                work.ended = Ended(State.CANCELLED, Reason.CANCELLED, "cancel")

    async def give_back(self, works: Sequence[Work], now_ms: int) -> None:
        """
        Let a cancel have the rows of *works*, which wait for their next attempt.

        Nobody may have the message by then: what is unknown stays in ``sending``.
        """
        rows = [work.claim for work in works if work.claim is not None]
        await self._swap(rows, State.PENDING, now_ms)

    async def _swap(self, rows: Sequence[Claim], state: str, now_ms: int) -> Sequence[Claim]:
        if not rows:
            return ()
        pairs = [(row, _moved(row, state, now_ms)) for row in rows]
        found = await self._claims.swap_many(pairs)
        return [
            after if stands is None else stands
            for (_, after), stands in zip(pairs, found, strict=True)
        ]


def _is_settled(row: Claim) -> bool:
    return row.holder == _CANCEL or row.state == State.SENDING


def _moved(row: Claim, state: str, now_ms: int) -> Claim:
    return msgspec.structs.replace(
        row, holder=WORKER, state=state, epoch=row.epoch + 1, at_ms=now_ms
    )


def _row(work: Work, now_ms: int) -> Claim | None:
    event = work.event
    if event is None or event.cancellation_key is None or work.message is None:
        return None
    key, event_ms = event.cancellation_key, event.time_ms
    return Claim(work.delivery, WORKER, State.SENDING, 1, now_ms, key, event_ms)

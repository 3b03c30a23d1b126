"""What a lane writes: attempts, outcomes and positions, everything that gathers in one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from tocsin.app.delivering.histories import Histories
from tocsin.domain.handoff_order import HandoffOrder
from tocsin.domain.records import OUTCOME_RECORDS, Attempt, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.domain.window import Window
from tocsin.errors import Fenced, StorageFailed, Unavailable
from tocsin.ports.log import Batch, Source, Step
from tocsin.ports.system import Clock

_RETRY_MS: Final = 200

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Owned:
    """One partition of the lane: how far it is read, what is in hand, what was committed."""

    partition: int
    epoch: int
    outcomes_epoch: int
    window: Window
    order: HandoffOrder
    committed: int
    floor: int
    """From where in ``outcomes`` whoever takes over has to read."""
    read: int


@dataclass(slots=True)
class _Entry:
    records: Sequence[Attempt | Settled]
    finished: Sequence[tuple[int, int]]
    done: asyncio.Future[None]


class Journal:
    """
    Commits for one lane, one step at a time; all that is handed over meanwhile is the next one.

    A step holds outcomes and the positions that they finish, so no position is ever committed
    whose outcome is not durable. Each also proves that the partitions it writes to are still owned:
    what somebody else has taken over since is fenced, attempts included, so no call follows.
    """

    def __init__(
        self,
        group: str,
        topic: str,
        owned: Sequence[Owned],
        histories: Histories,
        end: Callable[[str, int], int],
        clock: Clock,
    ) -> None:
        self._group = group
        self._topic = topic
        self._owned = owned
        self._histories = histories
        self._end = end
        self._clock = clock
        self._entries: list[_Entry] = []
        self._wake = asyncio.Event()

    async def write(
        self,
        records: Sequence[Attempt | Settled],
        finished: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Return when *records*, and that the (partition, position) are *finished*, are durable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._entries.append(_Entry(records, finished, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Commit until cancelled; raises what ends the lane: `Fenced`, `StorageFailed`."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            entries, self._entries = self._entries, []
            if entries:
                await self._commit(entries)
                for entry in entries:
                    if not entry.done.done():
                        entry.done.set_result(None)

    async def _commit(self, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            for partition, position in entry.finished:
                self._owned[partition].window.finish(position)
        records = [record for entry in entries for record in entry.records]
        outputs = self._histories.outputs(records)
        touched = {output.partition for output in outputs}
        touched |= {partition for entry in entries for partition, _ in entry.finished}
        step = Step([s for p in sorted(touched) for s in self._sources(self._owned[p])], outputs)
        batches = await self._durable(step)
        for source in step.sources:
            owned = self._owned[source.partition]
            if source.topic == OUTCOMES:
                owned.floor = source.position
            else:
                owned.committed = source.position
        for batch in batches:
            self._follow(batch)

    async def _durable(self, step: Step) -> Sequence[Batch]:
        while True:
            try:
                return await self._histories.commit(step)
            except (Fenced, StorageFailed):
                raise
            except Unavailable as error:
                logger.warning("deliver_waits", topic=self._topic, code=error.code)
                await self._clock.pause(_RETRY_MS)

    def _sources(self, owned: Owned) -> tuple[Source, Source]:
        """Return both positions as they will be: of the hand-offs, and of what is remembered."""
        partition = owned.partition
        # What this step adds is above the end as it is now, so it will be read again; that the
        # floor is lower than it need be costs a little reading and forgets nothing.
        in_hand = owned.window.lowest_mark(self._end(OUTCOMES, partition))
        lines = owned.order.lowest_mark(in_hand, self._clock.now_ms())
        floor = max(owned.floor, min(in_hand, lines))
        return (
            Source(
                self._group,
                self._topic,
                partition,
                owned.committed,
                owned.window.base,
                owned.epoch,
            ),
            Source(self._group, OUTCOMES, partition, owned.floor, floor, owned.outcomes_epoch),
        )

    def _follow(self, batch: Batch) -> None:
        if batch.topic == OUTCOMES:
            order = self._owned[batch.partition].order
            for position, record in enumerate(batch.records, batch.position):
                if isinstance(record, OUTCOME_RECORDS):
                    order.take(record, position)

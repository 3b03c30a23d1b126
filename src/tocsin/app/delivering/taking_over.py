"""Taking over a lane: what was tried and how it ended is read to the end before any call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.app.delivering.journal import Owned
from tocsin.domain.attempts import History
from tocsin.domain.delivery import OPEN
from tocsin.domain.handoff_order import PATIENCE_MS, HandoffOrder
from tocsin.domain.lanes import Lane
from tocsin.domain.records import OUTCOME_RECORDS, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.domain.window import Window
from tocsin.ports.log import Log

_BATCH_RECORDS: Final = 2_000


@dataclass(slots=True)
class TakenOver:
    """One partition, with what its last owner left."""

    owned: Owned
    end: int
    """Hand-offs below may have been tried before."""
    histories: dict[bytes, History]

    def begin(self, position: int, outcomes_end: int) -> None:
        """
        Take *position* in hand, and note from where its attempts can be found again.

        What is tried from now on lies at *outcomes_end* and above.
        """
        if position < self.end:
            self.owned.window.begin(position, self.owned.floor)
        else:
            self.owned.window.begin(position, outcomes_end)
            self.histories.clear()

    def history(self, delivery: bytes) -> History:
        """Return what was tried of *delivery*."""
        return self.histories.get(delivery) or History()


async def take_over(log: Log, group: str, topic: str, lane: Lane) -> Sequence[TakenOver]:
    """Become the owner of every partition of *topic*; who was it before can write no more."""
    over = []
    for partition in range(log.partitions):
        epoch, position = await log.acquire(group, topic, partition)
        outcomes_epoch, floor = await log.acquire(group, OUTCOMES, partition)
        owned = Owned(
            partition,
            epoch,
            outcomes_epoch,
            Window(position),
            HandoffOrder(PATIENCE_MS[lane]),
            committed=position,
            floor=floor,
            read=position,
        )
        taken = TakenOver(owned, log.end(topic, partition), {})
        await _remember(log, taken, topic, floor)
        over.append(taken)
    return over


async def _remember(log: Log, taken: TakenOver, topic: str, floor: int) -> None:
    partition = taken.owned.partition
    position, end = floor, log.end(OUTCOMES, partition)
    while position < end:
        batch = await log.read(OUTCOMES, partition, position, records_max=_BATCH_RECORDS)
        for at, record in enumerate(batch.records, batch.position):
            if (
                isinstance(record, OUTCOME_RECORDS)
                and f"deliver.{record.channel}.{record.lane}" == topic
            ):
                history = taken.histories.setdefault(record.delivery, History())
                if history.ended and isinstance(record, Settled) and record.state in OPEN:
                    # Its owner did not know yet that a cancel or a receipt had settled it.
                    taken.owned.order.leave(record.delivery)
                else:
                    taken.owned.order.take(record, at)
                history.take(record)
        position = max(batch.end, position + 1)

"""Taking over a lane: what was tried and how it ended is read to the end before any call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.app.delivering.histories import Histories
from tocsin.app.delivering.journal import Owned
from tocsin.domain.attempts import History
from tocsin.domain.handoff_order import PATIENCE_MS, HandoffOrder
from tocsin.domain.lanes import Lane
from tocsin.domain.records import OUTCOME_RECORDS
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


async def take_over(
    log: Log, histories: Histories, group: str, topic: str, lane: Lane, now_ms: int
) -> Sequence[TakenOver]:
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
        await _let_leave(histories, owned.order, now_ms)
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
                taken.owned.order.take(record, at)
                taken.histories.setdefault(record.delivery, History()).take(record)
        position = max(batch.end, position + 1)


async def _let_leave(histories: Histories, order: HandoffOrder, now_ms: int) -> None:
    """
    Let those out of their lines who have settled.

    A cancel and a receipt settle deliveries past their lane, whose owner may have written after
    them, not knowing, that one waits; and they may lie below what the next owner reads. No timer
    would bring such a delivery back to be let out.
    """
    standing = order.standing()
    for first in range(0, len(standing), _BATCH_RECORDS):
        some = standing[first : first + _BATCH_RECORDS]
        found = await histories.again(some, now_ms)
        for delivery in [each for each in some if found[each].ended]:
            order.leave(delivery)

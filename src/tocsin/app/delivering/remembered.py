"""What is known of deliveries in hand and of those that wait, without looking through the log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from tocsin.domain.attempts import History
from tocsin.domain.records import OUTCOME_RECORDS, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Batch, Log

_BATCH_RECORDS: Final = 2_000


class Remembered:
    """
    Histories of deliveries that are not settled, or were not long ago, as of a position each.

    Whoever writes to ``outcomes`` here hands over what was written (`take`); what others wrote
    between is read before anything is told (`catch_up`), so a history is as true as the log. To
    look each delivery up by the time of its event would read, for a fan-out, all of it for each.
    """

    def __init__(self, log: Log, histories_max: int) -> None:
        self._log = log
        self._histories_max = histories_max
        self._ended_max = max(1, histories_max // 4)
        # The oldest goes first, and is found in constant time however many went before it.
        self._known: OrderedDict[bytes, History] = OrderedDict()
        self._ended: OrderedDict[bytes, History] = OrderedDict()
        self._position = [log.end(OUTCOMES, partition) for partition in range(log.partitions)]
        self._ahead: dict[tuple[int, int], Batch] = {}

    def keep(self, histories: Mapping[bytes, History]) -> None:
        """Follow these deliveries from here on; what is known of one already stays."""
        known = self._known
        for delivery, history in histories.items():
            if delivery not in known:
                known[delivery] = msgspec.structs.replace(history)
        while len(known) > self._histories_max:
            known.popitem(last=False)

    def known(self, deliveries: Iterable[bytes]) -> dict[bytes, History]:
        """Return copies of what is known, as of the last `catch_up`."""
        found = {each: self._known.get(each) for each in deliveries}
        return {
            delivery: msgspec.structs.replace(history)
            for delivery, history in found.items()
            if history is not None
        }

    def keep_ended(self, histories: Mapping[bytes, History]) -> None:
        """Follow deliveries that have settled: receipts about them may come, and come again."""
        self._end({of: msgspec.structs.replace(history) for of, history in histories.items()})

    def _end(self, histories: Mapping[bytes, History]) -> None:
        ended = self._ended
        for delivery, history in histories.items():
            ended.pop(delivery, None)
            ended[delivery] = history
        while len(ended) > self._ended_max:
            ended.popitem(last=False)

    def ended(self, deliveries: Iterable[bytes]) -> dict[bytes, History]:
        """Return copies of what is known of those that have settled, as of the last `catch_up`."""
        found = {each: self._ended.get(each) for each in deliveries}
        return {
            delivery: msgspec.structs.replace(history)
            for delivery, history in found.items()
            if history is not None
        }

    def positions(self) -> Sequence[int]:
        """Return how far each partition was followed."""
        return list(self._position)

    def back_to(self, positions: Sequence[int]) -> None:
        """Follow again from there: something was kept that was read meanwhile."""
        self._position = list(map(min, self._position, positions))

    def take(self, batches: Sequence[Batch]) -> None:
        """Follow what was written, in whatever order writers hear of it."""
        for batch in batches:
            if batch.topic != OUTCOMES:
                continue
            self._ahead[batch.partition, batch.position] = batch
            partition = batch.partition
            while (
                next_ := self._ahead.pop((partition, self._position[partition]), None)
            ) is not None:
                self._fold(next_)

    async def catch_up(self) -> None:
        """Read what somebody else wrote."""
        for partition in range(len(self._position)):
            while (at := self._position[partition]) < self._log.end(OUTCOMES, partition):
                batch = await self._log.read(OUTCOMES, partition, at, records_max=_BATCH_RECORDS)
                if self._position[partition] == at:
                    self._fold(batch)
        self._ahead = {
            key: each for key, each in self._ahead.items() if key[1] >= self._position[key[0]]
        }

    def _fold(self, batch: Batch) -> None:
        known, ended = self._known, self._ended
        settled = {}
        for record in batch.records:
            if isinstance(record, OUTCOME_RECORDS):
                delivery = record.delivery
                history = known.get(delivery)
                if history is not None:
                    history.take(record)
                    # That something was tried settles nothing.
                    if type(record) is Settled and history.ended:
                        settled[delivery] = known.pop(delivery)
                elif (of_late := settled.get(delivery) or ended.get(delivery)) is not None:
                    of_late.take(record)
        self._end(settled)
        at = self._position[batch.partition]
        self._position[batch.partition] = max(at + 1, batch.end)

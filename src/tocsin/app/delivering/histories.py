"""What the log says about deliveries: the truth, while views may lag behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from tocsin.app.delivering.looking_back import LookBack
from tocsin.app.delivering.remembered import Remembered
from tocsin.domain.attempts import History
from tocsin.domain.ids import recipient_of
from tocsin.domain.records import Attempt, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Batch, Follow, Log, Output, Step

_REMEMBERED_MAX: Final = 200_000


class Histories:
    """Reads and adds records of ``outcomes``."""

    def __init__(
        self, log: Log, follow: Follow | None, *, remembered_max: int = _REMEMBERED_MAX
    ) -> None:
        """*follow* is given where one engine holds log and views."""
        self._log = log
        self._follow = follow
        self._remembered = Remembered(log, remembered_max)
        # Half of what can be remembered: what is in hand has to stay beside it.
        self._back = LookBack(log, held_max=remembered_max // 2)

    def partition_of(self, delivery: bytes) -> int:
        """Return where the records of *delivery* lie."""
        return self._log.partition_of(OUTCOMES, recipient_of(delivery))

    async def of(self, deliveries: Iterable[bytes]) -> dict[bytes, History]:
        """Return the history of each; those of events of about one time share a look."""
        return await self._back.of(deliveries)

    def keep(self, histories: Mapping[bytes, History]) -> None:
        """Follow deliveries that are in hand, so that `again` need not look for them."""
        self._remembered.keep(histories)

    async def again(self, deliveries: Sequence[bytes], now_ms: int) -> dict[bytes, History]:
        """Return the history of each, of most without looking for it."""
        if not deliveries:
            return {}
        remembered = self._remembered
        await remembered.catch_up()
        found = remembered.known(deliveries)
        missing = [each for each in deliveries if each not in found]
        if missing:
            positions = remembered.positions()
            looked_up, others = await self._back.and_beyond(missing, now_ms)
            remembered.keep(others)
            remembered.keep(looked_up)
            remembered.back_to(positions)
            found |= looked_up
        return found

    async def reported(self, deliveries: Collection[bytes]) -> dict[bytes, History]:
        """Return the history of each, of those that settled not long ago without looking for it."""
        remembered = self._remembered
        await remembered.catch_up()
        found = remembered.ended(deliveries)
        missing = [each for each in deliveries if each not in found]
        if missing:
            positions = remembered.positions()
            looked_up = await self.of(missing)
            remembered.keep_ended({of: each for of, each in looked_up.items() if each.ended})
            remembered.back_to(positions)
            found |= looked_up
        return found

    async def add(self, records: Sequence[Settled]) -> None:
        """Make *records* durable; they belong to nobody's step, so nothing fences them."""
        if records:
            await self.commit(Step((), self.outputs(records)))

    def outputs(self, records: Sequence[Attempt | Settled]) -> list[Output]:
        """Return *records*, each in the partition of its delivery."""
        if self._log.partitions == 1:
            return [Output(OUTCOMES, 0, records)] if records else []
        gathered: dict[int, list[Attempt | Settled]] = {}
        for record in records:
            gathered.setdefault(self.partition_of(record.delivery), []).append(record)
        return [Output(OUTCOMES, partition, some) for partition, some in gathered.items()]

    async def commit(self, step: Step) -> Sequence[Batch]:
        """Commit a step whose outputs are such records, and let the views follow."""
        batches = await self._log.commit(step, self._follow)
        self._remembered.take(batches)
        return batches

"""What the log says about deliveries: the truth, while views may lag behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tocsin.app.delivering.remembered import Remembered
from tocsin.domain.attempts import History
from tocsin.domain.ids import accepted_ms, recipient_of
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

    def partition_of(self, delivery: bytes) -> int:
        """Return where the records of *delivery* lie."""
        return self._log.partition_of(OUTCOMES, recipient_of(delivery))

    async def of(self, deliveries: Iterable[bytes]) -> dict[bytes, History]:
        """Return the history of each, in one look for those accepted in one ms."""
        wanted: dict[tuple[int, int], set[bytes]] = {}
        for delivery in deliveries:
            where = (self.partition_of(delivery), accepted_ms(delivery))
            wanted.setdefault(where, set()).add(delivery)
        found = {delivery: History() for some in wanted.values() for delivery in some}
        for (partition, at_ms), some in wanted.items():
            for batch in await self._log.covering(OUTCOMES, partition, at_ms):
                for record in batch.records:
                    if isinstance(record, Attempt | Settled) and record.delivery in some:
                        found[record.delivery].take(record)
        return found

    def keep(self, histories: Mapping[bytes, History]) -> None:
        """Follow deliveries that are in hand, so that `again` need not look for them."""
        self._remembered.keep(histories)

    async def again(self, deliveries: Sequence[bytes]) -> dict[bytes, History]:
        """Return the history of each, of most without looking for it."""
        if not deliveries:
            return {}
        remembered = self._remembered
        await remembered.catch_up()
        found = remembered.known(deliveries)
        missing = [each for each in deliveries if each not in found]
        if missing:
            positions = remembered.positions()
            looked_up = await self.of(missing)
            remembered.keep(looked_up)
            remembered.back_to(positions)
            found |= looked_up
        return found

    async def add(self, records: Sequence[Settled]) -> None:
        """Make *records* durable; they belong to nobody's step, so nothing fences them."""
        if records:
            await self.commit(Step((), self.outputs(records)))

    def outputs(self, records: Sequence[Attempt | Settled]) -> list[Output]:
        """Return *records*, each in the partition of its delivery."""
        gathered: dict[int, list[Attempt | Settled]] = {}
        for record in records:
            gathered.setdefault(self.partition_of(record.delivery), []).append(record)
        return [Output(OUTCOMES, partition, some) for partition, some in gathered.items()]

    async def commit(self, step: Step) -> Sequence[Batch]:
        """Commit a step whose outputs are such records, and let the views follow."""
        batches = await self._log.commit(step, self._follow)
        self._remembered.take(batches)
        return batches

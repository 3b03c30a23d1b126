"""Dead letters follow the log, like the ledger; and are counted on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tocsin.domain.dead_letters import letters
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Batch, PreparedWrite
from tocsin.ports.state import DeadLetters

Labels = tuple[str, str, str]
"""(lane, channel, reason)."""


class DeadLetterProjection:
    """Follows ``outcomes`` and ``plans.*``; ``noted`` counts since the process began."""

    def __init__(self, rows: DeadLetters) -> None:
        self._rows = rows
        self.noted: Counter[Labels] = Counter()
        self.waiting: Mapping[Labels, int] = {}
        """As of the last `look`."""

    def follows(self, topic: str) -> bool:
        """Return whether records of *topic* may say that something failed."""
        return topic == OUTCOMES or topic.startswith("plans.")

    def prepare(self, batches: Sequence[Batch]) -> PreparedWrite:
        """Return the write for the step's transaction."""
        return self._rows.prepare(batches)

    def applied(self, batches: Sequence[Batch]) -> None:
        """Count them."""
        for batch in batches:
            for each in letters(batch.topic, batch.partition, batch.records):
                self.noted[each.lane, each.channel, each.reason] += 1

    async def look(self) -> None:
        """Count what waits, for whoever scrapes."""
        self.waiting = await self._rows.counts()

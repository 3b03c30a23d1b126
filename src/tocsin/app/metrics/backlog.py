"""What waits in the log, for whom, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from tocsin.app.project import partitions_of
from tocsin.domain.lanes import LANE_NUMBER
from tocsin.domain.records import Poison
from tocsin.ports.log import Log
from tocsin.ports.system import Clock

Positions = Callable[[], Awaitable[Mapping[tuple[str, int], int]]]
"""Returns how far a reader has come, per (topic, partition)."""


class Follower(NamedTuple):
    """Who reads what. Those of one name are added up."""

    name: str
    topics: Sequence[str]
    positions: Positions


class Waiting(NamedTuple):
    """What one reader has before it, in one lane."""

    records: int
    oldest_ms: int
    """Age of the oldest of them; 0 when there is none."""


class Backlog:
    """Looks at the log when asked: nothing is counted meanwhile."""

    def __init__(self, log: Log, clock: Clock, readers: Sequence[Follower]) -> None:
        self._log = log
        self._clock = clock
        self._readers = readers
        self.waiting: dict[tuple[str, str], Waiting] = {}
        """By (reader, lane), as of the last `look`."""

    async def look(self) -> None:
        """Read the positions, and the first record that each reader has not handled."""
        now_ms = self._clock.now_ms()
        found: dict[tuple[str, str], Waiting] = {}
        for reader in self._readers:
            positions = await reader.positions()
            for topic in reader.topics:
                lane = topic.rpartition(".")[2]
                key = (reader.name, lane if lane in LANE_NUMBER else "")
                records, oldest_ms = found.get(key, Waiting(0, 0))
                for partition in partitions_of(self._log, topic):
                    position = positions.get((topic, partition), 0)
                    behind = max(0, self._log.end(topic, partition) - position)
                    if behind:
                        age_ms = await self._age_ms(topic, partition, position, now_ms)
                        records, oldest_ms = records + behind, max(oldest_ms, age_ms)
                found[key] = Waiting(records, oldest_ms)
        self.waiting = found

    async def _age_ms(self, topic: str, partition: int, position: int, now_ms: int) -> int:
        batch = await self._log.read(topic, partition, position, records_max=1)
        for record in batch.records:
            if not isinstance(record, Poison):
                return max(0, now_ms - record.stamp_ms)
        return 0

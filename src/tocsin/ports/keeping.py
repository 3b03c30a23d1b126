"""
What removes: old records, old rows, and what is about somebody who was erased.

Every implementation passes ``tests/contract/test_keeping.py``. Work comes in slices, each small
enough that nothing else waits for it noticeably; whoever calls rests between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tocsin.domain.keeping import Cut
from tocsin.domain.records import Record
from tocsin.ports.log import Place


@dataclass(frozen=True, slots=True)
class Removable:
    """
    The oldest records of a partition, up to ``end``.

    ``blobs`` are the payloads that they name, ``until_ms`` is when the last was written.
    """

    topic: str
    partition: int
    end: int
    records: int
    bytes: int
    until_ms: int
    blobs: Sequence[str] = ()


class LogKeeping(Protocol):
    """
    The log's side of retention and erasure.

    *Durable* when a method that writes has returned. *Ordered*: a partition loses its oldest
    records first, and positions never begin anew. *Twice*: changes nothing. Reading what was
    removed gives the first record that is left, or nothing.
    """

    async def readers(self) -> Mapping[tuple[str, str, int], int]:
        """Return the committed position of every (group, topic, partition) there ever was."""

    def topics(self) -> Sequence[str]:
        """Return every topic that records were written to."""

    async def removable(
        self, topic: str, partition: int, *, before_ms: int, below: int, bytes_max: int
    ) -> Removable | None:
        """
        Return the oldest records, as far as they were written before *before_ms* and lie *below*.

        At most about *bytes_max* of them, and whole batches alone; None when there are none.
        """

    async def remove(self, what: Removable) -> None:
        """Remove them, durably."""

    async def oldest_ms(self, topic: str, partition: int) -> int | None:
        """Return when the oldest record that is held was written; None without any."""

    async def overwrite(self, records: Mapping[Place, Record]) -> int:
        """
        Put other records in the places of those that are held, and leave nothing of the old ones.

        For erasure alone: key, type and place of a record stay as they were. Returns how many
        were there.
        """


class Kept(Protocol):
    """What is open, and how far back what is remembered is complete; part of the state store."""

    async def since_ms(self, name: str) -> int:
        """Return how far back *name* is complete, 0 while nothing was removed of it."""

    async def rise(self, name: str, at_ms: int) -> None:
        """Say so, durably, before anything older is removed; going back is ignored."""

    async def open_since_ms(self) -> int | None:
        """
        Return when the oldest event was accepted that something which waits still needs.

        Timers in the order of their due times, so that one that fires and is armed again for later
        meanwhile is seen at least once, unless its record was on the log before and is not routed.
        """


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody who is erased: who she was, and what stands in her place."""

    number: int
    id: str
    name: str

    def __repr__(self) -> str:
        return f"Leaver({self.number})"


class Erases(Protocol):
    """One store that holds something about people."""

    name: str

    async def erase(self, leaver: Leaver) -> int:
        """Remove or overwrite all of it, durably; returns how many. Twice changes nothing."""


class Forgets(Protocol):
    """One store of rows that end."""

    name: str

    async def forget(self, cut: Cut) -> int | None:
        """Remove one slice of what lies before *cut*, durably; None when nothing is left of it."""

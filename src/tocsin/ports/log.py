"""
The event log: topics split into partitions, read by groups at positions.

Every implementation passes ``tests/contract/test_log.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tocsin.domain.records import Poison, Record

Place = tuple[str, int, int]
"""(topic, partition, position)."""


@dataclass(frozen=True, slots=True)
class Output:
    """Records for one partition of one topic, in order."""

    topic: str
    partition: int
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records as they lie on the log: the first has ``position``, the next one more, and so on."""

    topic: str
    partition: int
    position: int
    records: Sequence[Record | Poison]
    bodies: Sequence[bytes] | None = field(default=None, compare=False, repr=False)
    """The records as they are written, where that is known: a view need not encode them anew."""

    @property
    def end(self) -> int:
        """The position after the last record."""
        return self.position + len(self.records)


@dataclass(frozen=True, slots=True)
class Source:
    """
    How far a group has come in one partition, by this step.

    ``previous`` is the position that was committed before and ``position`` the one that is now:
    always the last handled record's position + 1. ``epoch`` is what `Log.acquire` gave.
    """

    group: str
    topic: str
    partition: int
    previous: int
    position: int
    epoch: int


class PreparedWrite(Protocol):
    """A view's part of a transaction."""

    def __call__(self, connection: Any, /) -> None:
        """Write, with the engine's connection, inside the step's transaction."""

    def undo(self) -> None:
        """Forget what memory holds of it: the transaction failed. Called on the loop."""


class Projection(Protocol):
    """A view that follows topics of the log (`tocsin.app.project`)."""

    def follows(self, topic: str) -> bool:
        """Return whether records of *topic* concern this view."""

    def prepare(self, batches: Sequence[Batch]) -> PreparedWrite:
        """Return the write of *batches*, for an engine that holds log and view."""

    def applied(self, batches: Sequence[Batch]) -> None:
        """Tell whoever waits (gateways, metrics) that *batches* are durable in the view."""


@dataclass(frozen=True, slots=True)
class Follow:
    """
    What is written in the same transaction as a step, where one engine holds everything.

    ``derive`` gives the outputs that follow from a batch of plans; ``projections`` the views.
    """

    derive: Callable[[Batch], Sequence[Output]]
    projections: Sequence[Projection]


@dataclass(frozen=True, slots=True)
class Step:
    """One batch of work, committed as a whole: where it read, and what it decided."""

    sources: Sequence[Source]
    outputs: Sequence[Output] = field(default=())


class Log(Protocol):
    """
    An append-only sequence of records per (topic, partition), dense positions from 0.

    *Durable*: what `append` and `commit` return for has been fsynced (or acknowledged by all
    in-sync replicas). *Ordered*: per partition, in the order of the calls. *Twice*: `commit` is
    fenced, so a step's outputs stand once on one engine; where outputs and positions have no
    common transaction a crash may leave outputs whose position was not committed, and readers
    tell them by the plan's ``position`` and ``previous`` (`tocsin.domain.marks`).
    *Away*: raises `tocsin.errors.Unavailable`; the records may be on the log anyway.
    """

    partitions: int
    """Of every topic, but those named by `single`."""

    incarnation: int
    """Changes when positions start anew."""

    def partition_of(self, topic: str, key: int) -> int:
        """Return the partition for a 32-bit hash or a recipient's number."""

    async def append(self, outputs: Sequence[Output]) -> Sequence[Batch]:
        """Make *outputs* durable, all or none, and return them with their positions."""

    async def commit(self, step: Step, follow: Follow | None = None) -> Sequence[Batch]:
        """
        Make the step's outputs durable together with its sources' positions.

        Returns the outputs and, with *follow*, what was derived from them, with positions. Raises
        `tocsin.errors.Fenced` when another owner has acquired a source since; then nothing of the
        step is kept. *follow* is only for an engine whose `atomic_with_views` is true.
        """

    @property
    def atomic_with_views(self) -> bool:
        """Whether `commit` can write views in the step's transaction."""

    async def acquire(self, group: str, topic: str, partition: int) -> tuple[int, int]:
        """Become the owner: returns (epoch, committed position). The owner before is fenced."""

    async def read(self, topic: str, partition: int, position: int, *, records_max: int) -> Batch:
        """
        Return records from *position* on, at most about *records_max*, empty at the end.

        Only what is durable is returned. What cannot be decoded is `tocsin.domain.records.Poison`.
        The batch may begin after *position* where a step failed and left no record there.
        """

    async def wait(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Return when any of the partitions has a durable record at or after its position."""

    async def covering(self, topic: str, partition: int, at_ms: int) -> Sequence[Batch]:
        """
        Return the batches that may hold a record whose key's time is *at_ms*.

        For events the key is the event's, for plans that of the event they are about.
        """

    async def spans(
        self, topic: str, partition: int, since_ms: int, until_ms: int | None = None
    ) -> Sequence[tuple[int, int]]:
        """
        Return (first, end) of runs of positions whose keys' times may lie in [since, until).

        Without *until_ms* there is no upper edge. In the order of the log.
        """

    async def pick(self, places: Sequence[Place]) -> Mapping[Place, Record | Poison]:
        """Return the records at those places that are held, in one go, for lists."""

    async def committed(self, group: str) -> Mapping[tuple[str, int], int]:
        """Return every position that *group* has committed."""

    def end(self, topic: str, partition: int) -> int:
        """Return the position after the last durable record."""

"""What failed for good."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from tocsin.domain.dead_letters import DeadLetter, LetterState, Wanted
from tocsin.ports.log import Batch, PreparedWrite


class DeadLetters(Protocol):
    """
    Dead letters, projected from ``outcomes`` and ``plans.*``.

    *Durable* when `write` has returned or its step has committed. *Twice*: the first that was noted
    about a delivery or an input stands, however often its records are written. *Ordered* by
    ``number``, which grows as they are noted.
    """

    def prepare(self, batches: Sequence[Batch]) -> PreparedWrite:
        """Return the write of *batches* for the step's own transaction."""

    async def write(self, batches: Sequence[Batch]) -> None:
        """Apply *batches* and advance the marks, in one transaction of its own."""

    async def marks(self) -> Mapping[tuple[str, int], int]:
        """Return, per (topic, partition), the position after the last applied record."""

    async def get(self, keys: Collection[bytes]) -> Sequence[DeadLetter]:
        """Return those that exist."""

    async def page(self, wanted: Wanted, before: int | None, limit: int) -> Sequence[DeadLetter]:
        """Return what is *wanted*, newest first, of numbers below *before*."""

    async def first(self, wanted: Wanted, after: int, limit: int) -> Sequence[DeadLetter]:
        """Return what is *wanted*, oldest first, of numbers above *after*."""

    async def move(
        self,
        marks: Mapping[int, int],
        before: LetterState,
        after: LetterState,
        *,
        by: str | None = None,
        why: str | None = None,
        now_ms: int,
    ) -> Sequence[int]:
        """
        Move those numbers that are in the state *before*; returns which of them were, durably.

        *marks* holds the ``mark`` of each. *by* and *why* stay as they were where they are None.
        """

    async def unnamed(self, limit: int) -> Sequence[DeadLetter]:
        """Return deliveries whose workflow is not known."""

    async def name(self, workflows: Mapping[int, str]) -> None:
        """Write workflows by number."""

    async def counts(self) -> Mapping[tuple[str, str, str], int]:
        """Return how many wait, by (lane, channel, reason)."""

    async def erase(self, recipients: Collection[int]) -> int:
        """Remove everything about those recipients; returns how many there were."""

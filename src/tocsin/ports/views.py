"""
The views: inbox and ledger. They follow from records on the log and can be built again from them.

Every implementation passes ``tests/contract/test_inbox.py`` and ``tests/contract/test_ledger.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from tocsin.domain.records import Attempt, Broadcast, Item, Settled, StateChange
from tocsin.ports.log import Batch


class ItemState(msgspec.Struct, frozen=True, array_like=True):
    """Times, in ms, at which a person did something with an item; None for never."""

    seen_ms: int | None = None
    read_ms: int | None = None
    archived_ms: int | None = None
    acknowledged_ms: int | None = None
    received_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One item as a person's inbox holds it; ``stream`` and ``position`` make cursors."""

    key: bytes
    body: bytes
    category: str
    visible_ms: int
    expires_ms: int | None
    stream: int
    """0 to 2: the lane's number; 3: state changes; 4: broadcasts."""
    position: int
    state: ItemState


class InboxView(Protocol):
    """
    Every recipient's items and their states.

    *Durable* when `write` has returned or its step has committed. *Twice*: writing the same batch
    again changes nothing. *Ordered*: a person's items by (``visible_ms``, key).
    """

    def prepare(self, batches: Sequence[Batch]) -> Callable[[object], None]:
        """Return the write of *batches* of ``inbox.*`` topics for the step's own transaction."""

    async def write(self, batches: Sequence[Batch]) -> None:
        """Apply *batches* and advance their marks, in one transaction of the view's own."""

    async def marks(self) -> Mapping[tuple[str, int], int]:
        """Return, per (topic, partition), the position after the last applied record."""

    async def items(
        self,
        recipient: int,
        *,
        before: tuple[int, bytes] | None,
        limit: int,
    ) -> Sequence[StoredItem]:
        """Return items older than *before* (``visible_ms``, key), newest first, archived too."""

    async def by_key(self, recipient: int, keys: Sequence[bytes]) -> Sequence[StoredItem]:
        """Return those of the recipient's items that exist, in the order of *keys*."""

    async def since(
        self, recipient: int, vector: Sequence[int], *, limit: int
    ) -> tuple[Sequence[StoredItem], Sequence[tuple[int, StateChange]]] | None:
        """
        Return what came after the positions of *vector* (one for each stream), oldest first.

        The state changes come with their position. None when that is not known any more or more
        than *limit*: never a part of it.
        """

    async def ends(self, recipient: int) -> Sequence[int]:
        """Return the position after the newest applied record of each stream for *recipient*."""


class SettledDelivery(msgspec.Struct, frozen=True, array_like=True):
    """How one planned delivery stands."""

    delivery: bytes
    state: str
    reason: str
    at_ms: int


class LedgerView(Protocol):
    """
    The record of what was planned, tried and settled; the same guarantees as `InboxView`.
    """

    def prepare(self, batches: Sequence[Batch]) -> Callable[[object], None]:
        """Return the write of *batches* of ``plans.*``, ``inbox.*`` and ``outcomes``."""

    async def write(self, batches: Sequence[Batch]) -> None:
        """Apply *batches* and advance their marks, in one transaction of the view's own."""

    async def marks(self) -> Mapping[tuple[str, int], int]:
        """Return, per (topic, partition), the position after the last applied record."""

    async def settled(self, deliveries: Sequence[bytes]) -> Mapping[bytes, SettledDelivery]:
        """Return the final outcome of those deliveries that have one."""

    async def attempts(self, delivery: bytes) -> Sequence[Attempt | Settled]:
        """Return attempts, outcomes and receipts of one delivery, oldest first."""

    async def notifications_of(
        self, recipient: int, *, before_ms: int | None, limit: int
    ) -> Sequence[tuple[str, int, int]]:
        """Return (lane, plans partition, position) of the plans that name *recipient*."""

    async def settled_counts(
        self, since_ms: int, until_ms: int
    ) -> Mapping[tuple[str, str, str], int]:
        """Return how many deliveries, accepted within the window, settled: (lane, channel, state)."""


InboxRecord = Item | StateChange | Broadcast

"""
The views: inbox and ledger. They follow from records on the log and can be built again from them.

Every implementation passes ``tests/contract/test_inbox_view.py`` and ``test_ledger_view.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from tocsin.domain.inbox import Counts, ItemState
from tocsin.domain.records import Attempt, Broadcast, Settled, StateChange
from tocsin.ports.log import Batch, PreparedWrite


@dataclass(frozen=True, slots=True)
class StoredItem:
    """
    One item as a person's inbox holds it.

    ``place`` orders a person's items and is opaque; ``stream`` and ``position`` make cursors.
    A ``broadcast``'s ``body`` is what its readers share: without id, and not rendered where the
    text names the reader.
    """

    key: bytes
    body: bytes
    category: str
    visible_ms: int
    expires_ms: int | None
    place: bytes
    stream: int
    position: int
    state: ItemState
    step: int = 0
    broadcast: Broadcast | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """What came after a cursor, oldest first."""

    items: Sequence[StoredItem]
    changes: Sequence[tuple[int, StateChange]]
    """(position, change)."""


class InboxView(Protocol):
    """
    Every recipient's items and their states.

    *Durable* when `write` has returned or its step has committed; shown from `applied` on, and not
    before. *Twice*: writing the same batch again changes nothing. *Ordered*: a person's items by
    ``place``, that is by the time at which they became visible. Streams: 0 to 2 are the lanes, 3
    state changes, 4 broadcasts.
    """

    def prepare(self, batches: Sequence[Batch]) -> PreparedWrite:
        """Return the write of *batches* of ``inbox.*`` topics for the step's own transaction."""

    def applied(self, batches: Sequence[Batch]) -> None:
        """
        Show *batches*, which have become durable: by the step of `prepare`, or by `write`.

        Called on the loop, before any gateway hears of them.
        """

    async def reached(self, ends: Mapping[tuple[str, int], int]) -> None:
        """Return when everything below *ends*, per (topic, partition), is shown."""

    async def write(self, batches: Sequence[Batch]) -> None:
        """Apply *batches* and advance their marks, in one transaction of the view's own."""

    async def marks(self) -> Mapping[tuple[str, int], int]:
        """Return, per (topic, partition), the position after the last applied record."""

    async def items(
        self, recipient: int, *, before: bytes | None, limit: int
    ) -> Sequence[StoredItem]:
        """Return items before the place *before*, newest first, archived and expired ones too."""

    async def by_key(self, recipient: int, keys: Sequence[bytes]) -> Sequence[StoredItem]:
        """Return those of the recipient's items that exist."""

    async def counts(self, recipient: int, now_ms: int) -> Counts:
        """Return the counts, derived from the stored items and states."""

    async def unseen(self, recipients: Sequence[int], now_ms: int) -> Mapping[int, int]:
        """
        Return how many items each has not seen, counted as `counts` does; 0 is left out.

        In few reads, however many recipients there are.
        """

    async def missed(self, recipient: int, vector: Sequence[int], *, limit: int) -> Missed | None:
        """
        Return what came at or after the positions of *vector*, one for each stream.

        None when that is not known any more or is more than *limit*: never a part of it.
        """

    def ends(self, recipient: int) -> tuple[int, ...]:
        """Return the position below which everything is shown, for each of *recipient*'s streams."""


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

    def prepare(self, batches: Sequence[Batch]) -> PreparedWrite:
        """Return the write of *batches* of ``plans.*``, ``inbox.*`` and ``outcomes``."""

    async def write(self, batches: Sequence[Batch]) -> None:
        """Apply *batches* and advance their marks, in one transaction of the view's own."""

    async def marks(self) -> Mapping[tuple[str, int], int]:
        """Return, per (topic, partition), the position after the last applied record."""

    async def settled(self, deliveries: Sequence[bytes]) -> Mapping[bytes, SettledDelivery]:
        """Return the final outcome of those deliveries that have one."""

    async def attempts(
        self, deliveries: Sequence[bytes]
    ) -> Mapping[bytes, Sequence[Attempt | Settled]]:
        """Return attempts, outcomes and receipts of each delivery that has any, oldest first."""

    async def notifications_of(
        self, recipient: int, *, before_ms: int | None, limit: int
    ) -> Sequence[tuple[str, int, int]]:
        """Return (lane, plans partition, position) of the plans that name *recipient*."""

    async def settled_counts(
        self, since_ms: int, until_ms: int
    ) -> Mapping[tuple[str, str, str], int]:
        """Return how many deliveries, accepted within the window, settled: (lane, channel, state)."""

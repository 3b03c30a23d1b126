"""Who changed what, when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec


class Change(msgspec.Struct, frozen=True):
    """One entry of the audit trail: who changed what, when. Never holds a secret or an address."""

    at_ms: int
    by: str
    action: str
    target: str
    detail: str = ""


class Trail(Protocol):
    """The audit trail of changes: append-only, each entry chained to the one before by its hash."""

    async def add(self, changes: Sequence[Change]) -> None:
        """Append."""

    def entries(self, since_ms: int) -> AsyncIterator[Change]:
        """Yield entries, oldest first."""

    async def verify(self) -> int | None:
        """Return the number of the first entry that breaks the chain, or None."""

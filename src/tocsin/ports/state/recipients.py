"""Recipients by the customer's id and by dense number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tocsin.domain.recipient import Recipient


class Recipients(Protocol):
    """Recipients by the customer's id and by dense number, every version kept."""

    async def by_id(self, ids: Sequence[str]) -> Mapping[str, Recipient]:
        """Return the newest version of those that exist (erased ones too). Bulk; cached."""

    async def by_number(self, numbers: Sequence[int]) -> Mapping[int, Recipient]:
        """Return the newest version of those that exist."""

    async def put(self, recipients: Sequence[Recipient]) -> Sequence[Recipient]:
        """
        Write new versions; ``number`` 0 creates and gets the next dense number.

        ``version`` must be that of the stored one + 1 (1 for a new one), else
        `tocsin.errors.Conflict` and nothing of the call is kept. Returns what was stored.
        """

    async def durable(self) -> None:
        """Return when everything that was put before is durable."""

    async def version(self, number: int, version: int) -> Recipient | None:
        """Return an old version, as long as the ledger keeps what names it."""

    async def version_at(self, number: int, at_ms: int) -> Recipient | None:
        """Return the version that was current at *at_ms*."""

    async def page(self, after: str | None, limit: int) -> Sequence[Recipient]:
        """Return recipients ordered by id, after *after*."""

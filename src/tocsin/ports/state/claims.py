"""The row where cancel, worker, receipt and timer meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """Who holds a delivery that something else may race for."""

    delivery: bytes
    holder: str
    """route | worker | cancel | timer | receipt."""
    state: str
    epoch: int
    at_ms: int
    cancellation_key: str | None = None
    """What a cancel finds the row by; stays as it was first claimed."""
    event_ms: int | None = None
    """The event's own time, if it has one; see `Tombstone.catches`."""
    lane: str = ""
    channel: str = ""
    """With ``lane`` what whoever ends the delivery must say of it."""


class Tombstone(msgspec.Struct, frozen=True, array_like=True):
    """A cancel that also catches what is still to come."""

    key: str
    recipients: tuple[str, ...] | None
    at_ms: int
    until_ms: int

    def catches(self, event_ms: int | None, recipient_id: str | None) -> bool:
        """
        Return whether it ends a delivery of its key.

        Events whose own time is after the cancel are not meant; those that carry none are.
        """
        if self.recipients is not None and recipient_id not in self.recipients:
            return False
        return event_ms is None or event_ms <= self.at_ms


class Claims(Protocol):
    """The one row where cancel, worker, receipt and timer meet, by compare-and-set."""

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """
        Insert each row where absent and return the row that stands, in order; durable.

        A delivery that a tombstone of its cancellation key catches, live at the claim's
        ``at_ms``, is claimed for the cancel instead: holder ``cancel``, state ``cancelled``. The
        tombstone is there before a cancel looks for rows: of a cancel and a claim that race, the
        later one finds what the earlier one wrote.
        """

    async def swap(self, old: Claim, new: Claim) -> Claim:
        """
        Replace *old* by *new* if it still stands, by holder, state and epoch.

        Returns what stands then; raises `tocsin.errors.NotFound` when the delivery has no row.
        """

    async def swap_many(self, pairs: Sequence[tuple[Claim, Claim]]) -> Sequence[Claim | None]:
        """
        Do with each (old, new) what `swap` does, each alone, in one write.

        Returns what stands then, in order; None for a delivery that has no row.
        """

    async def by_cancellation_key(self, key: str) -> Sequence[Claim]:
        """Return all rows under the key."""

    async def put_tombstone(self, tombstone: Tombstone) -> None:
        """Durable before any row of its key is looked for."""

    async def tombstones(
        self, keys: Sequence[str], now_ms: int
    ) -> Mapping[str, Sequence[Tombstone]]:
        """Return live tombstones by key, oldest first; also every one that is durable by now."""

"""Groups, subscriptions, and the sets that fan-outs are computed with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pyroaring import BitMap

from tocsin.domain.audience import Subscription


class Audiences(Protocol):
    """Groups, object subscriptions, and the sets that fan-outs are computed with."""

    async def put_group(self, key: str, name: str | None, now_ms: int) -> None:
        """Create or rename a group."""

    async def group(self, key: str) -> tuple[str, str | None, int] | None:
        """Return (key, name, members) or None."""

    async def delete_group(self, key: str, now_ms: int) -> bool:
        """End the group and all memberships; False when there is none."""

    async def change_members(
        self, key: str, *, add: Sequence[int], remove: Sequence[int], now_ms: int
    ) -> tuple[int, int]:
        """Return how many really joined and left. Intervals are kept for ``explain``."""

    async def members(self, key: str, *, after: int, limit: int) -> Sequence[int]:
        """Return member numbers above *after*, ascending."""

    async def members_at(self, key: str, at_ms: int, numbers: Sequence[int]) -> set[int]:
        """Return those of *numbers* who were members at *at_ms*."""

    async def subscribe(self, subscription: Subscription, now_ms: int) -> None:
        """Create or replace the subscription of one recipient to one object."""

    async def unsubscribe(
        self, collection: str, object_id: str, recipient: int, now_ms: int
    ) -> bool:
        """End it; False when there is none."""

    async def subscribers(self, collection: str, object_id: str) -> Sequence[Subscription]:
        """Return the object's subscriptions, with their conditions."""

    async def subscribers_at(
        self, collection: str, object_id: str, at_ms: int
    ) -> Sequence[Subscription]:
        """Return what `subscribers` would have returned at *at_ms*."""

    async def everyone(self) -> BitMap:
        """Return the numbers of all recipients that exist."""

    async def sets(self, keys: Sequence[str], block: int) -> Mapping[str, BitMap]:
        """
        Return sets of numbers within ``block`` (number >> 16), empty ones for unknown keys.

        Kept in step with `Recipients.put` and suppressions, in the same transaction; the keys are
        those of `tocsin.domain.fanout.set_keys`.
        """

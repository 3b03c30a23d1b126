"""Endpoints that are told what became of deliveries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tocsin.domain.status_webhook import StatusWebhook, Told


class StatusWebhooks(Protocol):
    """Endpoints by key, and how far each was told. Few."""

    def on_change(self, tell: Callable[[], None]) -> None:
        """Call *tell* after each change to an endpoint, at most 5 s later."""

    async def put(self, webhook: StatusWebhook, told: Told) -> None:
        """
        Store *webhook*; *told* is where one that is new begins, and ignored for one that is there.
        """

    async def all(self) -> Sequence[StatusWebhook]:
        """Return all, by key."""

    async def delete(self, key: str) -> bool:
        """Remove, with how far it was told; False when there is none."""

    async def disable(self, key: str, version: int, now_ms: int) -> bool:
        """Give up an endpoint that is still of this version; the first time counts."""

    async def told(self, key: str) -> Told | None:
        """Return how far the endpoint was told, None when there is none."""

    async def tell(self, key: str, told: Told) -> None:
        """Store how far it was told; nothing happens when there is none."""

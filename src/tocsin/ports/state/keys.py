"""API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class ApiKey(msgspec.Struct, frozen=True):
    """An API key without its secret: only the hash is kept."""

    id: str
    name: str
    digest: bytes
    roles: tuple[str, ...]
    workflows: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ()
    rate_per_s: int | None = None
    created_ms: int = 0
    expires_ms: int | None = None
    revoked_ms: int | None = None


class Keys(Protocol):
    """API keys. Few; an adapter may keep them in memory, at most 5 s old."""

    async def add(self, key: ApiKey) -> None:
        """Add."""

    async def all(self) -> Sequence[ApiKey]:
        """Return all, revoked ones too."""

    async def revoke(self, id: str, now_ms: int) -> bool:
        """Revoke; False when there is none."""

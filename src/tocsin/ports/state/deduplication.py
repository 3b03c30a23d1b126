"""Which event owns a source and id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Deduplication(Protocol):
    """
    The truth about (producer's scope, source, id) → event, over a window.

    Settled per (digest, workflow index); a digest is 16 bytes, an owner an event's key.
    """

    def lookup(self, digests: Sequence[bytes], now_ms: int) -> Mapping[bytes, bytes]:
        """
        Return owners that are known without waiting, for the answer ``duplicate: true``.

        What is returned is exact; what is missing may still be a duplicate.
        """

    async def claim(self, claims: Sequence[tuple[bytes, bytes]], now_ms: int) -> Sequence[bytes]:
        """
        Insert (digest, event key) where absent; return each digest's owner, in order.

        An owner that equals the given key is no duplicate, however often it is claimed.
        """

    async def owner(self, digest: bytes) -> bytes | None:
        """Return the owner, also one whose window has passed, while it is stored."""

    async def owners(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the owners that are stored, for ``explain`` by source and id."""

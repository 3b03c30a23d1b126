"""Receipts that came before their attempt was known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Orphans(Protocol):
    """Receipts whose reference is not known yet; matched when the attempt appears."""

    async def keep(self, provider: str, reference: str, receipt: bytes, now_ms: int) -> None:
        """Keep for 24 h."""

    async def take(
        self, references: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Sequence[bytes]]:
        """Return and remove what was kept for those (provider, reference)."""

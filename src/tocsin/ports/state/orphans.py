"""Receipts that came before their attempt was known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Orphans(Protocol):
    """
    Receipts whose reference, which is ours, is not known yet; matched when the attempt appears.

    Who matches one writes down what it says, and drops it afterwards: a crash between the two
    leaves it to be matched again, and no receipt is lost.
    """

    async def keep(self, receipts: Mapping[str, Sequence[bytes]], now_ms: int) -> None:
        """Keep for 24 h; the same receipt twice is one."""

    async def kept(self, references: Sequence[str]) -> Mapping[str, Sequence[bytes]]:
        """Return what is kept for those, in the order in which it came; nothing is removed."""

    async def drop(self, receipts: Mapping[str, Sequence[bytes]]) -> None:
        """Remove exactly these."""

    def references(self) -> Sequence[str]:
        """Return all that something is kept for, or was a moment ago."""

"""Who was erased, how far that has come, and the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class Erasure(msgspec.Struct, frozen=True, array_like=True):
    """
    One recipient who was erased, or is being.

    ``digest`` is a keyed hash of the id. ``sealed`` is the id itself, encrypted, and only as long
    as records that hold it are looked for.
    """

    id: bytes
    digest: bytes
    recipient: int
    begun_ms: int
    sealed: bytes | None
    name: str
    """What stands in place of the id."""
    done_ms: int | None = None
    counts: Mapping[str, int] = {}
    """What was removed or overwritten, by store."""
    shared_until_ms: int | None = None
    """Until when events are kept that others were told of, too; None without any."""
    proof: bytes = b""
    """What is signed, as it was said when it was done."""
    signature: bytes = b""


class Erasures(Protocol):
    """Erasures, by id. Rows stay: they are what blocks a replay."""

    async def put(self, erasure: Erasure) -> None:
        """Create, or replace by id."""

    async def get(self, id: bytes) -> Erasure | None:
        """Return one."""

    async def running(self) -> Sequence[Erasure]:
        """Return those that are not done, oldest first."""

    async def of_digest(self, digest: bytes) -> Sequence[Erasure]:
        """Return those of an id, by its hash, oldest first."""

    async def numbers(self) -> Sequence[int]:
        """Return the numbers of everybody who was erased."""

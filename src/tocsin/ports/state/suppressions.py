"""Who must not be sent to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

REPORTED_BY: Final = "provider:"
"""What the source of an entry begins with that somebody's own word on a channel made."""


class Suppression(msgspec.Struct, frozen=True):
    """An entry of the suppression list: a recipient or an address, for one channel or all."""

    id: str
    recipient: int | None
    channel: str | None
    digest: bytes | None
    reason: str
    source: str
    at_ms: int
    hint: str = ""
    """What may be shown of the address, for example ``a…@example.org``."""
    said_in: str = ""
    """The vendor's id of the message in which it was said, where there is one."""

    @property
    def said(self) -> str:
        """What was said on the channel itself, as a code; empty where somebody else decided."""
        return self.reason if self.source.startswith(REPORTED_BY) else ""


class Lifted(msgspec.Struct, frozen=True):
    """
    That the entry *id* was taken off the list because of what somebody said at ``at_ms``.

    ``said_in`` is what had put it there, so that its repeat is known.
    """

    id: str
    at_ms: int
    said_in: str = ""


class Suppressions(Protocol):
    """Who must not be sent to, whatever else says yes."""

    async def add(self, entries: Sequence[Suppression]) -> None:
        """Add; the same id replaces."""

    async def remove(self, id: str) -> bool:
        """Remove; False when there is none."""

    async def lift(self, lifted: Sequence[Lifted]) -> None:
        """Remove those entries where they are, and remember when; of one entry the newest stays."""

    async def lifted(self, ids: Sequence[str]) -> Mapping[str, Lifted]:
        """Return when those were lifted that ever were, by the entry's id."""

    async def page(self, after: str | None, limit: int) -> Sequence[Suppression]:
        """Return entries ordered by id."""

    async def matching(
        self, numbers: Sequence[int], digests: Sequence[bytes]
    ) -> Sequence[Suppression]:
        """Return the entries that concern those recipients or addresses. Bulk; cached."""

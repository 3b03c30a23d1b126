"""Messages that stand in a chat and may be edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

KEPT_MS: Final = 7 * 86_400_000
"""How long a message can be edited by a later one: after that, the later one is sent anew."""


class StandingMessage(msgspec.Struct, frozen=True):
    """
    The last message under a key, which says by digest whose it is, from what, and where.

    ``provider_id`` is the provider's name for it; ``event_ms`` when its event was accepted, and
    ``at_ms`` when it was taken.
    """

    key: bytes
    recipient: int
    provider: str
    provider_id: str
    event_ms: int
    at_ms: int


class Standings(Protocol):
    """The last message under each key."""

    async def put(self, messages: Sequence[StandingMessage]) -> None:
        """Write; of those with one key the last. What stood there before is forgotten."""

    async def by_key(self, keys: Sequence[bytes]) -> Mapping[bytes, StandingMessage]:
        """Return those that there are."""

    async def erase(self, recipient: int) -> int:
        """Delete and overwrite what was sent to one recipient; returns how many."""

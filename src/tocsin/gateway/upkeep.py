"""What the gateway does by the clock and not because something happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tocsin.gateway.sessions import Sessions

HEAL_EVERY_S: Final = 30


async def keep(sessions: Sessions, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Until cancelled: end sockets whose tokens end, and heal what the feed lost."""
    while True:
        for _ in range(HEAL_EVERY_S):
            await sleep(1.0)
            sessions.end_expired()
        sessions.heal()

"""What is kept in memory and read anew now and then, since others may have changed it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tocsin.errors import Unavailable
from tocsin.ports.system import Sleep


async def keep_fresh(refresh: Callable[[], Awaitable[None]], every_s: float, sleep: Sleep) -> None:
    """Call *refresh* every so often until cancelled; what is known counts while a store is away."""
    while True:
        await sleep(every_s)
        try:
            await refresh()
        except Unavailable:
            continue

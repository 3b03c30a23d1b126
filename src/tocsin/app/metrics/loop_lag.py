"""How late the event loop is."""

from __future__ import annotations

import asyncio
from typing import Final

from tocsin.app.metrics.histogram import Histogram

_EVERY_S: Final = 0.5


class LoopLag:
    """Asks to be woken twice a second and notes how much later it is."""

    def __init__(self) -> None:
        self.seconds = Histogram()

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            self.seconds.add(max(0.0, loop.time() - due_s))

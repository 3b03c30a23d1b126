"""An event loop whose time leaps to whatever is due next, so that a test waits for nothing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Leaping(selectors.DefaultSelector):
    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0.0
        return super().select(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, without sockets that anything outside would have to answer."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        """Return seconds since the loop began."""
        return self._leaping.now_s


async def passes(seconds: float) -> None:
    """Return when so much of the loop's time has passed."""
    loop = asyncio.get_running_loop()
    reached = loop.create_future()
    timer = loop.call_later(seconds, reached.set_result, None)
    try:
        await reached
    finally:
        timer.cancel()


def leaping(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* to its end."""
    loop = LeapingLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()

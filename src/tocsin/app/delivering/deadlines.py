"""An end to calls that take too long."""

from __future__ import annotations

import asyncio
from typing import Any

Caller = asyncio.Task[Any]


class Deadlines:
    """
    Cancels the tasks whose time has run out.

    One timer serves all calls under way: it stands for the earliest, and thousands a second end
    long before. A timer for each costs as much as to decide what is said.
    """

    def __init__(self) -> None:
        self._due_s: dict[Caller, float] = {}
        self._late: set[Caller] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, caller: Caller, timeout_ms: int) -> None:
        """Give *caller* so much time from now on, until `end`."""
        loop = caller.get_loop()
        due_s = self._due_s[caller] = loop.time() + timeout_ms / 1000
        if self._timer is not None and self._timer.when() > due_s:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_at(due_s, self._look, loop)

    def end(self, caller: Caller) -> bool:
        """
        Return whether the time ran out, and nothing but that cancelled the caller.

        A cancellation that was the deadline's is over with this.
        """
        self._due_s.pop(caller, None)
        if caller not in self._late:
            return False
        self._late.discard(caller)
        return caller.uncancel() == 0

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        for caller in [each for each, due_s in self._due_s.items() if due_s <= now_s]:
            del self._due_s[caller]
            self._late.add(caller)
            caller.cancel()
        self._timer = None
        if self._due_s:
            self._timer = loop.call_at(min(self._due_s.values()), self._look, loop)

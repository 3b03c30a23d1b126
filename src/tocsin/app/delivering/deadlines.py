"""An end to calls that take too long."""

from __future__ import annotations

import asyncio
from math import inf
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
        self._looks_s = inf
        """When the timer goes off."""

    def begin(self, caller: Caller, due_s: float) -> None:
        """Give *caller* the time until *due_s*, of its loop's clock, or `end`."""
        self._due_s[caller] = due_s
        if due_s < self._looks_s:
            self._look_at(caller.get_loop(), due_s)

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
        self._timer, self._looks_s = None, inf
        if self._due_s:
            self._look_at(loop, min(self._due_s.values()))

    def _look_at(self, loop: asyncio.AbstractEventLoop, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at_s, self._look, loop)
        self._looks_s = at_s

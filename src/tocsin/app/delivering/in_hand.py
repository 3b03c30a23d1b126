"""What a lane has read and not finished: one of each address at a time, producers by turns."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from tocsin.app.delivering.work import Work
from tocsin.domain.fair_queue import FairQueue
from tocsin.domain.handoff_order import line_of


class InHand:
    """
    Works in lines: the first of each address is ready or under way, the others wait behind it.

    Those that are ready are taken by turns of their producers.
    """

    def __init__(self) -> None:
        # Who waits behind the first; nearly nobody does, and an empty queue is as dear as a work.
        self._lines: dict[bytes, deque[Work] | None] = {}
        self._ready: FairQueue[Work] = FairQueue()
        self._first: deque[Work] = deque()
        self._under_way = 0
        self.changed = asyncio.Event()
        """Set whenever something became ready or was finished."""

    @property
    def under_way(self) -> int:
        """How many were taken and have neither been finished nor put back."""
        return self._under_way

    @property
    def ready(self) -> bool:
        """Whether `take` would give something."""
        return bool(self._first or self._ready)

    def admit(self, work: Work) -> None:
        """Put *work* at the end of its line."""
        handoff, lines = work.handoff, self._lines
        name = line_of(handoff.delivery)
        if name in lines:
            waiting = lines[name]
            if waiting is None:
                lines[name] = deque((work,))
            else:
                waiting.append(work)
            return
        lines[name] = None
        self._ready.put(handoff.producer, work)
        self.changed.set()

    def take(self, count: int) -> list[Work]:
        """Take what goes next."""
        works = [self._first.popleft() for _ in range(min(count, len(self._first)))]
        works += self._ready.take(count - len(works))
        self._under_way += len(works)
        return works

    def again(self, works: Sequence[Work]) -> None:
        """Let *works* go before all others: they have had their turn."""
        self._first.extend(works)
        self._under_way -= len(works)
        if works:
            self.changed.set()

    def finish(self, works: Sequence[Work]) -> None:
        """Let go of *works*, and the next of their lines come forward."""
        lines = self._lines
        for work in works:
            name = line_of(work.handoff.delivery)
            waiting = lines[name]
            if waiting:
                following = waiting.popleft()
                self._ready.put(following.handoff.producer, following)
            else:
                del lines[name]
        self._under_way -= len(works)
        if works:
            self.changed.set()

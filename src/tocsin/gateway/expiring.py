"""Sockets by the time at which their tokens end."""

from __future__ import annotations

import heapq

from tocsin.gateway.people import Session
from tocsin.gateway.socket import Socket

_STEP_MS = 1_000


class Expiring:
    """
    Gives sockets back shortly before their tokens end, if it is asked every second.

    One entry per second in which tokens end, so that a socket costs a place in a set.
    """

    def __init__(self) -> None:
        self._steps: dict[int, set[Socket[Session]]] = {}
        self._order: list[int] = []

    def add(self, socket: Socket[Session]) -> None:
        """Watch a socket whose session says when its token ends."""
        step = socket.session.expires_ms // _STEP_MS
        if step not in self._steps:
            self._steps[step] = set()
            heapq.heappush(self._order, step)
        self._steps[step].add(socket)

    def discard(self, socket: Socket[Session]) -> None:
        """Forget a socket, if it is watched."""
        self._steps.get(socket.session.expires_ms // _STEP_MS, set()).discard(socket)

    def due(self, now_ms: int) -> list[Socket[Session]]:
        """Take out the sockets whose tokens end within about two seconds."""
        last = now_ms // _STEP_MS + 1
        found: list[Socket[Session]] = []
        while self._order and self._order[0] <= last:
            found.extend(self._steps.pop(heapq.heappop(self._order)))
        return found

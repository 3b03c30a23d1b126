"""One host: its connections, and who waits for room on one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from tocsin.adapters.http2.connection import Connection
from tocsin.adapters.http2.opening import OtherProtocol, Unreached
from tocsin.ports.transport import NoAnswerReason

_IDLE_S: Final = 100.0
"""After that a connection may be gone without a word, since whoever stands between forgets it."""

_GOODBYE_S: Final = 2.0

Open = Callable[[Callable[[Connection], None]], Awaitable[Connection]]
"""Opens a connection that tells whenever its room may have changed."""


class Room:
    """How many connections all hosts have together: *most*, and whoever has others is *told*."""

    def __init__(self, most: int, told: Callable[[int], None]) -> None:
        self._most = most
        self._told = told
        self._taken = 0

    def take(self) -> bool:
        """Take room for a connection, if there is any."""
        if self._taken >= self._most:
            return False
        self._taken += 1
        self._told(self._taken)
        return True

    def give_back(self) -> None:
        """Return the room of a connection that is gone."""
        self._taken -= 1
        self._told(self._taken)

    def close(self) -> None:
        """Tell nobody any more."""
        self._told = _nobody


def _nobody(taken: int) -> None:
    del taken


class Host:
    """
    Gives out room on as few connections as carry what is under way, up to *connections_max*.

    One is made at a time: whoever comes meanwhile waits for it, or for room on those there are.
    """

    def __init__(self, open_: Open, connections_max: int, room: Room) -> None:
        self._loop = asyncio.get_running_loop()
        self._open = open_
        self._connections_max = connections_max
        self._room = room
        self._connections: list[Connection] = []
        self._leaving: set[Connection] = set()
        self._closed = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._opening: asyncio.Task[None] | None = None
        self.speaks_http_2 = True
        """Until it turns out that it does not."""

    def free(self) -> Connection | None:
        """Return a connection with room, if nobody waits for one; None: `wait` for it."""
        return None if self._waiting else self._with_room()

    async def wait(self, due_s: float) -> Connection:
        """
        Return a connection with room; raises `Unreached`, or `OtherProtocol`.

        The latter also where all hosts together have as many as there may be, and this one none.
        """
        while (connection := self._with_room()) is None:
            if self._closed:
                raise asyncio.CancelledError
            self._widen()
            if self._opening is None and not self._connections:
                # Those behind it would wait for what nobody makes.
                self._wake(1)
                raise OtherProtocol
            turn: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(turn)
            try:
                async with asyncio.timeout_at(due_s):
                    await turn
            except TimeoutError:
                self._step_back(turn)
                raise Unreached(NoAnswerReason.UNREACHABLE) from None
            except asyncio.CancelledError:
                self._step_back(turn)
                raise
        return connection

    def _step_back(self, turn: asyncio.Future[None]) -> None:
        """Leave the line; who was called up meanwhile lets the next one go."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        else:
            self._wake(1)

    async def close(self) -> None:
        """Close every connection; what is under way ends as cancelled, and so does who waits."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        waiting, self._waiting = self._waiting, deque()
        for turn in waiting:
            turn.cancel()
        closing = [*self._connections, *self._leaving]
        for connection in closing:
            connection.close()
        if closing:
            await asyncio.wait([each.lost for each in closing], timeout=_GOODBYE_S)
        for connection in closing:
            connection.abort()

    def _with_room(self) -> Connection | None:
        for connection in self._connections:
            if connection.room > 0:
                if connection.idle and self._loop.time() - connection.heard_s > _IDLE_S:
                    self._loop.call_soon(connection.leave)
                    continue
                return connection
        return None

    def _changed(self, connection: Connection) -> None:
        if connection.over:
            if connection in self._connections:
                self._connections.remove(connection)
                self._leaving.add(connection)
                # Let one look, and open another.
                self._wake(1)
            if connection.lost.done() and connection in self._leaving:
                self._leaving.discard(connection)
                self._room.give_back()
                self._wake(1)
        elif self._waiting and connection in self._connections:
            self._wake(connection.room)

    def _wake(self, count: int) -> None:
        while self._waiting and count > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                count -= 1

    def _widen(self) -> None:
        wider = self._opening is None and len(self._connections) < self._connections_max
        if wider and self._room.take():
            self._opening = self._loop.create_task(self._add())

    async def _add(self) -> None:
        try:
            connection = await self._open(self._changed)
        except Exception as error:  # noqa: BLE001  # whatever it is, who waits must hear of it
            self._room.give_back()
            self._opening = None
            self.speaks_http_2 = not isinstance(error, OtherProtocol)
            if not (self._connections and self.speaks_http_2):
                self._fail(error)
            return
        self._opening = None
        self._connections.append(connection)
        self._changed(connection)
        if self._waiting:
            # More than it takes: nobody else may come to ask for another.
            self._widen()

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, deque()
        for turn in waiting:
            if not turn.done():
                turn.set_exception(error)

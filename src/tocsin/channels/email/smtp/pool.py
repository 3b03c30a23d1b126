"""Connections that are kept, so that letters need not pay for a handshake each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from tocsin.channels.email.smtp.connection import Connection
from tocsin.channels.email.smtp.opening import Full

_FEWER_S: Final = 60.0

Open = Callable[[], Awaitable[Connection]]


class Pool:
    """
    At most *size* connections, the one that was used last first, so that the others grow old.

    Who finds all of them in use waits in line. A connection is let go when it was idle for
    *idle_s*, has carried *letters_max* letters, or its user was cancelled.
    """

    def __init__(self, open_: Open, *, size: int, idle_s: float, letters_max: int) -> None:
        self._open = open_
        self._idle_s = idle_s
        self._letters_max = letters_max
        self._room = asyncio.Semaphore(size)
        self._idle: deque[Connection] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._held = 0
        """How many are in use, or being opened."""

    @asynccontextmanager
    async def connection(self, *, fresh: bool = False) -> AsyncIterator[Connection]:
        """
        Lend a connection; with *fresh* one that nobody has used.

        Raises what opening one raises. It is kept if the block ends well.
        """
        found = await self._lend(fresh=fresh)
        try:
            yield found
        except BaseException:
            found.abort()
            raise
        else:
            self._give_back(found)
        finally:
            self._release()

    def close(self) -> None:
        """Let go of those that are idle, and keep none from now on."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._idle:
            self._idle.pop().quit()

    async def _lend(self, *, fresh: bool) -> Connection:
        while True:
            await self._room.acquire()
            self._held += 1
            try:
                found = (None if fresh else self._take()) or await self._open()
            except Full:
                self._held -= 1
                if not self._held:
                    self._room.release()
                    raise
                # It wants fewer from us: for a while there is room for one less, and this caller
                # waits for one of those that there are.
                asyncio.get_running_loop().call_later(_FEWER_S, self._room.release)
            except BaseException:
                self._release()
                raise
            else:
                return found

    def _release(self) -> None:
        self._held -= 1
        self._room.release()

    def _take(self) -> Connection | None:
        while self._idle:
            found = self._idle.pop()
            found.idle_since = None
            if found.usable:
                return found
        return None

    def _give_back(self, connection: Connection) -> None:
        if self._closed or not connection.usable or connection.letters >= self._letters_max:
            connection.quit()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._idle_s, self._sweep)

    def _sweep(self) -> None:
        """The oldest are at the left."""
        loop = asyncio.get_running_loop()
        self._sweeper = None
        while self._idle and self._due(self._idle[0]) <= loop.time():
            self._idle.popleft().quit()
        if self._idle:
            self._sweeper = loop.call_at(self._due(self._idle[0]), self._sweep)

    def _due(self, connection: Connection) -> float:
        return (connection.idle_since or 0.0) + self._idle_s

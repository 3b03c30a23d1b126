"""
libcurl on the event loop: many transfers, few calls into it.

pycurl brings a driver of its own, which calls libcurl for each socket and each timer, watches each
connection anew for each transfer and makes a callback for each end. With a hundred short calls
under way that is more than the transfers themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pycurl

from tocsin.adapters.http.watching import Ready, Watch, open_watch

OpenWatch = Callable[[asyncio.AbstractEventLoop, Ready], Watch]


class CurlDriver:
    """Makes transfers on the loop on which the first of them is asked for."""

    def __init__(self, open_watch: OpenWatch = open_watch) -> None:
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._open_watch = open_watch
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: Watch | None = None
        self._ends: dict[pycurl.Curl, asyncio.Future[int]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due_s: float | None = None
        self._soon = False
        self._closed = False

    def setopt(self, option: int, value: int) -> None:
        """Set an option of the multi handle."""
        self._multi.setopt(option, value)

    def begin(self, curl: pycurl.Curl) -> asyncio.Future[int]:
        """
        Begin a transfer; returns how it will have ended: 0, or one of ``pycurl.E_*``.

        Raises ``pycurl.error`` for a handle that cannot begin. Who does not wait for the end has to
        `give_up`.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._watch = self._open_watch(self._loop, self._on_ready)
        self._multi.add_handle(curl)
        end: asyncio.Future[int] = self._loop.create_future()
        self._ends[curl] = end
        return end

    def give_up(self, curl: pycurl.Curl) -> None:
        """End a transfer, if it is still under way, and with it what it has of a connection."""
        if self._ends.pop(curl, None) is not None and not self._closed:
            self._multi.remove_handle(curl)

    async def close(self) -> None:
        """Close every connection; transfers under way end as cancelled."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        ends, self._ends = self._ends, {}
        for curl, end in ends.items():
            self._multi.remove_handle(curl)
            end.cancel()
        self._multi.close()
        if self._watch is not None:
            self._watch.close()

    def _on_socket(self, what: int, fd: int, multi: object, data: object) -> None:
        del multi, data
        assert self._watch is not None
        self._watch.want(fd, pycurl.POLL_NONE if what == pycurl.POLL_REMOVE else what)

    def _on_ready(self, ready: Iterable[tuple[int, int]]) -> None:
        if self._closed:
            return
        for fd, mask in ready:
            self._multi.socket_action(fd, mask)
        self._settle()

    def _on_timer(self, timeout_ms: int) -> None:
        if timeout_ms < 0 or self._closed:
            self._due_s = None
            return
        assert self._loop is not None
        if timeout_ms == 0:
            # Not at once, since libcurl itself is calling; and once for all that begin together.
            if not self._soon:
                self._soon = True
                self._loop.call_soon(self._on_time, True)
            return
        self._due_s = self._loop.time() + timeout_ms / 1000
        if self._timer is not None and self._timer.when() > self._due_s:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._due_s, self._on_time, False)

    def _on_time(self, soon: bool) -> None:
        if self._closed:
            return
        assert self._loop is not None
        if soon:
            self._soon = False
        else:
            self._timer = None
            if self._due_s is None:
                return
            if self._due_s > self._loop.time():
                # Put off since: one timer follows the due time, not one for each change of it.
                self._timer = self._loop.call_at(self._due_s, self._on_time, False)
                return
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._settle()

    def _settle(self) -> None:
        left = 1
        while left:
            left, ended, failed = self._multi.info_read()
            for curl in ended:
                self._end(curl, 0)
            for curl, code, _ in failed:
                self._end(curl, code)

    def _end(self, curl: pycurl.Curl, code: int) -> None:
        end = self._ends.pop(curl, None)
        if end is None:
            return
        self._multi.remove_handle(curl)
        if not end.done():
            end.set_result(code)

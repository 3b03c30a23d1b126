"""Which sockets of libcurl's are ready: looked at together, or one by one."""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import pycurl

Ready = Callable[[Iterable[tuple[int, int]]], None]
"""Takes (descriptor, ``pycurl.CSELECT_*``) of those that are ready."""


class Watch(Protocol):
    """Tells of descriptors; of one that nobody waits for any more it may tell once, too often."""

    def want(self, fd: int, what: int) -> None:
        """Tell when *fd* is ready for *what*, ``pycurl.POLL_*``, from now on for nothing else."""

    def close(self) -> None:
        """Tell of nothing any more."""


class LoopWatch:
    """A `Watch` by the event loop itself, which takes one descriptor at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ready: Ready) -> None:
        self._loop = loop
        self._ready = ready
        self._held: dict[int, int] = {}

    def want(self, fd: int, what: int) -> None:
        """Add what is missing, remove what is too much."""
        held = self._held.pop(fd, pycurl.POLL_NONE)
        what &= pycurl.POLL_INOUT
        for bit, add, remove, select_bit in (
            (pycurl.POLL_IN, self._loop.add_reader, self._loop.remove_reader, pycurl.CSELECT_IN),
            (pycurl.POLL_OUT, self._loop.add_writer, self._loop.remove_writer, pycurl.CSELECT_OUT),
        ):
            if what & bit and not held & bit:
                add(fd, self._ready, ((fd, select_bit),))
            elif held & bit and not what & bit:
                remove(fd)
        if what:
            self._held[fd] = what

    def close(self) -> None:
        """Remove all."""
        for fd in tuple(self._held):
            self.want(fd, pycurl.POLL_NONE)


if sys.platform == "linux":

    class EpollWatch:
        """
        A `Watch` by a descriptor of its own, which the event loop watches.

        Thousands of answers a second come over connections that stay open. All that are ready at
        a time are one call here; and a connection between two calls stays registered, since to
        leave and to come back is two calls into the kernel for each message.
        """

        def __init__(self, loop: asyncio.AbstractEventLoop, ready: Ready) -> None:
            self._loop = loop
            self._ready = ready
            self._wanted: dict[int, int] = {}
            self._epoll = select.epoll()
            loop.add_reader(self._epoll.fileno(), self._look)

        def want(self, fd: int, what: int) -> None:
            """Register what is new; what nobody wants any more goes when it shows up."""
            what &= pycurl.POLL_INOUT
            if not what:
                self._wanted.pop(fd, None)
                return
            self._wanted[fd] = what
            events = _EVENTS[what]
            try:
                # Asked anew each time: a descriptor that was closed and is another's now is none
                # that the kernel knows.
                self._epoll.modify(fd, events)
            except FileNotFoundError:
                self._epoll.register(fd, events)

        def close(self) -> None:
            """Forget all."""
            self._loop.remove_reader(self._epoll.fileno())
            self._wanted.clear()
            self._epoll.close()

        def _look(self) -> None:
            found = []
            for fd, events in self._epoll.poll(0):
                if fd in self._wanted:
                    found.append((fd, _SELECT[events & 7] if events < 8 else _select(events)))
                else:
                    self._leave(fd)
            if found:
                self._ready(found)

        def _leave(self, fd: int) -> None:
            try:
                self._epoll.unregister(fd)
            except OSError:
                return  # it was closed meanwhile

    _EVENTS: Final = {
        pycurl.POLL_IN: select.EPOLLIN,
        pycurl.POLL_OUT: select.EPOLLOUT,
        pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
    }

    def _select(events: int) -> int:
        found = 0
        if events & (select.EPOLLIN | select.EPOLLHUP):
            found |= pycurl.CSELECT_IN
        if events & select.EPOLLOUT:
            found |= pycurl.CSELECT_OUT
        if events & select.EPOLLERR:
            found |= pycurl.CSELECT_ERR
        return found

    _SELECT: Final = tuple(_select(events) for events in range(8))


def open_watch(loop: asyncio.AbstractEventLoop, ready: Ready) -> Watch:
    """Return the best watch of this system."""
    return EpollWatch(loop, ready) if sys.platform == "linux" else LoopWatch(loop, ready)

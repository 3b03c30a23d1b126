"""
An event loop on virtual time, without threads and without I/O.

Callbacks that are ready run in the order in which they became so, as asyncio promises; what is
random is *when* the world answers: every read, commit and blob comes back after a delay that the
dice choose. Time jumps to the next callback, so an hour costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import warnings
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from tocsin.adapters.sqlite.connection import settle

T = TypeVar("T")

# What a sync or a read of a blob takes.
_EXECUTOR_S = (0.0, 0.0, 0.002, 0.02)


class Stuck(Exception):
    """Nothing will ever happen again, or far too much does."""


class SimFuture(asyncio.Future[Any]):
    """A future with a number, so that the order of a set of them is the same in every run."""

    number = 0

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimTask(asyncio.Task[Any]):
    """A task with a number, as `SimFuture`."""

    def __init__(self, coro: Coroutine[Any, Any, Any], number: int, **how: Any) -> None:
        # Before asyncio puts it into its set of all tasks: with one hash for all of them, each
        # would be compared with every other.
        self.number = number
        super().__init__(coro, **how)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimLoop(asyncio.AbstractEventLoop):
    """The loop of one life of the process: a crash throws all of it away."""

    def __init__(self, dice: Random, now_s: float) -> None:
        self.dice = dice
        self.steps = 0
        self.dead = False
        self.errors: list[BaseException] = []
        self._now_s = now_s
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count(1)
        self._tasks: list[SimTask] = []

    # ------------------------------------------------------------ running

    def run(self, done: Callable[[], bool], *, steps_max: int) -> None:
        """Run until *done*; it is asked after each callback."""
        last = self.steps + steps_max
        asyncio._set_running_loop(self)
        try:
            while not done():
                self._step()
                if self.steps > last:
                    raise Stuck(f"still busy after {steps_max} callbacks")
        finally:
            asyncio._set_running_loop(None)

    def kill(self) -> None:
        """End this life at once: nothing that was scheduled happens any more."""
        self.dead = True
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # killed on purpose
            if not task.done():
                _close(task.get_coro())
        self._tasks.clear()

    def _step(self) -> None:
        self.steps += 1
        if not self._ready:
            if not self._timers:
                raise Stuck("nothing is left that could happen")
            at_s, _, timer = heapq.heappop(self._timers)
            self._now_s = max(self._now_s, at_s)
            self._ready.append(timer)
        handle = self._ready.popleft()
        if not handle.cancelled():
            handle._run()

    # ------------------------------------------------------------ what asyncio calls

    def time(self) -> float:
        return self._now_s

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.dead

    def is_closed(self) -> bool:
        return self.dead

    def call_soon(  # type: ignore[override]  # as in asyncio, less exactly typed
        self, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self.dead:
            self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # as above

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + max(delay, 0.0), callback, *args, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self.dead:
            heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled one stays in the heap until its time, and is skipped then."""

    def create_future(self) -> SimFuture:
        future = SimFuture(loop=self)
        future.number = next(self._numbers)
        return future

    def create_task(self, coro: Coroutine[Any, Any, T], **how: Any) -> asyncio.Task[T]:  # type: ignore[override]  # one of the two kinds that asyncio names
        task = SimTask(coro, next(self._numbers), loop=self, **how)
        self._tasks.append(task)
        if len(self._tasks) % 256 == 0:
            self._tasks = [each for each in self._tasks if not each.done()]
        return task

    async def pause(self, seconds: float) -> None:
        """Wait; it may be given up meanwhile."""
        future = self.create_future()
        self.call_later(seconds, settle, future, None, None)
        await future

    def run_in_executor(  # type: ignore[override]  # as above
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future = self.create_future()

        def run() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001  # handed to the one who waits
                settle(future, None, error)
            else:
                settle(future, result, None)

        self.call_later(self.dice.choice(_EXECUTOR_S), run)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not self.dead:
            self.errors.append(error or RuntimeError(context["message"]))


def _close(coroutine: Any) -> None:
    """Unwind a coroutine now: left to the garbage collector it would do so at any time."""
    # One that runs cannot be closed, and one that awaits in its cleanup has nobody to wait for; a
    # group of tasks wraps what ends it.
    ended = (RuntimeError, ValueError, BaseExceptionGroup)
    with contextlib.suppress(*ended), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        coroutine.close()

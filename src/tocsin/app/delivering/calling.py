"""The calls themselves: what a provider says, or what not hearing from it means."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Container, Iterator, Sequence
from typing import Final

import msgspec
import structlog

from tocsin.app.delivering.deadlines import Caller, Deadlines
from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.turnstiles import Pass
from tocsin.app.delivering.work import Work
from tocsin.domain.pauses import Pause
from tocsin.ports.outcomes import ProviderOutcome, ProviderReason, TryLater

_MANY: Final = 32
"""Calls under way from which on their ends are gathered."""

logger = structlog.get_logger(__name__)


class Called(msgspec.Struct, frozen=True):
    """A call that has ended, with an outcome for each message, or was not made: see ``pause``."""

    wired: Wired
    passed: Pass
    works: Sequence[Work]
    outcomes: Sequence[ProviderOutcome]
    pause: Pause | None = None
    """It began after the attempts were written and before the call."""
    gone: bool = False
    """Whoever it was for was erased meanwhile."""
    took_ms: int = 0
    """In real time."""

    @property
    def addresses(self) -> Sequence[str]:
        """Where it went, a place for each message."""
        return [work.opened for work in self.works]

    @property
    def made(self) -> bool:
        """Whether anything was called."""
        return self.pause is None and not self.gone


class Calls:
    """
    Makes calls, so many at a time, and gathers how they end.

    A call costs no task of its own while others follow it: who has made one takes the next.
    """

    def __init__(
        self,
        calls_max: int,
        paused: Callable[[], Pause | None],
        gone: Container[int],
        gather: Callable[[], Awaitable[None]],
    ) -> None:
        """
        *paused* is asked right before each call, and so is *gone* about each recipient.

        *gather* lets the moment pass in which ends gather, where many calls are under way.
        """
        self._gone = gone
        self._gather = gather
        self._deadlines = Deadlines()
        self._calls_max = calls_max
        self._paused = paused
        self._waiting: deque[tuple[Wired, list[Work]]] = deque()
        self._callers = 0
        self._ended: list[Called] = []
        self._news = asyncio.Event()

    def begin(self, works: Sequence[Work], tasks: asyncio.TaskGroup) -> None:
        """Call, in the order of *works*, as many in each call as the provider takes."""
        self._waiting.extend(_calls_of(works))
        for _ in range(min(len(self._waiting), self._calls_max - self._callers)):
            self._callers += 1
            tasks.create_task(self._make())

    async def ended(self) -> Sequence[Called]:
        """
        Return all that have ended since; waits for one.

        With many under way they are waited for a moment: to write down a few at a time costs
        several times what it costs for a hundred, and whoever is called next does not wait for it.
        """
        await self._news.wait()
        if self._callers >= _MANY and len(self._ended) < self._callers:
            await self._gather()
        self._news.clear()
        ended, self._ended = self._ended, []
        return ended

    async def _make(self) -> None:
        clock = asyncio.get_running_loop().time
        caller = asyncio.current_task()
        assert caller is not None
        gone = self._gone
        try:
            while self._waiting:
                wired, works = self._waiting.popleft()
                passed = works[0].passed
                assert passed is not None
                leaving = [work for work in works if work.handoff.recipient in gone]
                if leaving:
                    self._end(Called(wired, passed, leaving, (), gone=True))
                    works = [work for work in works if work.handoff.recipient not in gone]
                    if not works:
                        continue
                pause = self._paused()
                began_s = clock()
                due_s = began_s + wired.settings.call_timeout_ms / 1000
                outcomes = await self._call(wired, works, caller, due_s) if pause is None else ()
                took_ms = int((clock() - began_s) * 1000)
                self._end(Called(wired, passed, works, outcomes, pause, took_ms=took_ms))
        finally:
            self._callers -= 1

    def _end(self, called: Called) -> None:
        self._ended.append(called)
        self._news.set()

    async def _call(
        self, wired: Wired, works: Sequence[Work], caller: Caller, due_s: float
    ) -> Sequence[ProviderOutcome]:
        """
        Make one call, in the task *caller* until *due_s*, and return an outcome for each of *works*.

        Whatever goes wrong without an answer leaves it unknown whether the messages were taken: no
        answer in time, and also a provider that breaks its contract.
        """
        messages = [work.message for work in works if work.message is not None]
        self._deadlines.begin(caller, due_s)
        try:
            with wired.lent as provider:
                outcomes = await provider.send(messages)
        except asyncio.CancelledError:
            if not self._deadlines.end(caller):
                raise
            return _unknown(works, ProviderReason.TIMED_OUT, "no answer in time")
        except Exception as error:  # noqa: BLE001  # a folder's mistake must not stop the lane
            # Not the error's own words, which might hold an address or a credential.
            logger.error("provider_raised", provider=wired.name, error=type(error).__name__)
            return _unknown(works, ProviderReason.OUR_FAULT, f"raised {type(error).__name__}")
        finally:
            self._deadlines.end(caller)
        if len(outcomes) != len(works):
            logger.error("provider_miscounted", provider=wired.name, calls=len(works))
            detail = "its outcomes did not match the messages"
            return _unknown(works, ProviderReason.OUR_FAULT, detail)
        return outcomes


def _calls_of(works: Sequence[Work]) -> Iterator[tuple[Wired, list[Work]]]:
    """Yield (provider, works of one call); those of one call go the same way."""
    open_: dict[Pass, list[Work]] = {}
    for work in works:
        wired, passed = work.wired, work.passed
        assert wired is not None
        assert passed is not None
        size = wired.provider.flags.batch_max
        if size == 1:
            yield wired, [work]
            continue
        some = open_.setdefault(passed, [])
        some.append(work)
        if len(some) == size:
            yield wired, open_.pop(passed)
    for some in open_.values():
        wired = some[0].wired
        assert wired is not None
        yield wired, some


def _unknown(works: Sequence[Work], reason: ProviderReason, detail: str) -> list[ProviderOutcome]:
    return [TryLater(reason, known=False, detail=detail) for _ in works]

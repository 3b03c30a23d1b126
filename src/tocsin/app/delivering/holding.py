"""Messages that may not go yet: in hand where they hold nobody up, else as rows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from tocsin.app.delivering.rates import Way
from tocsin.app.delivering.turnstiles import Pass, Turnstiles
from tocsin.app.delivering.work import Ended, Work
from tocsin.app.waiting import first_of, set_
from tocsin.domain.delivery import DeliveryReason, State
from tocsin.ports.system import Clock


class Holding:
    """
    What one lane has in hand and must not call for yet.

    A lane that has no other way keeps all of it in hand, takes nothing more, and so waits in the
    log. Where others can go meanwhile, what waits becomes rows, up to a bound. Nobody's attempts
    are burnt by either.
    """

    def __init__(
        self, turnstiles: Turnstiles, clock: Clock, *, held_max: int, parked_max: int
    ) -> None:
        """*held_max* may wait in hand for one way while there are others."""
        self._turnstiles = turnstiles
        self._clock = clock
        self._held_max = held_max
        self._parked_max = parked_max
        self._held: dict[Way, deque[Work]] = {}
        self._parked: set[bytes] = set()
        self._last_due_ms: dict[Way, int] = {}
        self._news = asyncio.Event()

    def park(self, works: Sequence[Work], now_ms: int) -> None:
        """Let those of *works* end as rows that have no pass and would hold others up."""
        for work in works:
            way = work.way
            if work.passed is not None or way is None or work.stopped:
                continue
            reason = self._reason(way, now_ms)
            if reason is not None and len(self._parked) < self._parked_max:
                self._parked.add(work.delivery)
                work.ended = Ended(State.DEFERRED, reason, until_ms=self._due_ms(way, now_ms))

    def back(self, delivery: bytes) -> None:
        """Note that a row has become a record again."""
        self._parked.discard(delivery)
        if not self._parked:
            self._last_due_ms.clear()

    def hold(self, works: Sequence[Work]) -> None:
        """Keep *works* in hand until they may go."""
        for work in works:
            assert work.way is not None
            self._held.setdefault(work.way, deque()).append(work)
        if works:
            self._news.set()

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    def let_go(self) -> list[Work]:
        """Return those that may go now, or that must become rows; the oldest of each way first."""
        now_ms = self._clock.now_ms()
        free: list[Work] = []
        for way, held in list(self._held.items()):
            admitted, generation = self._turnstiles.admit(way, len(held), now_ms)
            for _ in range(admitted):
                work = held.popleft()
                work.passed = Pass(way, generation)
                free.append(work)
            if self._reason(way, now_ms) is DeliveryReason.PROVIDER_OPEN and self._room():
                free += held
                held.clear()
            if not held:
                del self._held[way]
        return free

    def busy(self) -> bool:
        """Return whether `let_go` may give something now."""
        next_ms = self.next_ms()
        due = next_ms is not None and next_ms <= self._clock.now_ms()
        return self._news.is_set() or due

    def next_ms(self) -> int | None:
        """Return when time alone lets something go; None when it does not."""
        now_ms = self._clock.now_ms()
        due = (
            self._turnstiles.ready_ms(way, now_ms)
            for way in self._held
            if not self._turnstiles.waits_for_probe(way)
        )
        return min(due, default=None)

    def look_again(self) -> None:
        """Wake whoever is in `news`: a call has ended."""
        self._news.set()

    async def news(self) -> None:
        """Return when `let_go` may give something."""
        due_ms = self.next_ms()
        if due_ms is not None:
            clock = self._clock
            # By both, for a clock that is set back may bring what is due nearer.
            left_ms = max(0, due_ms - clock.now_ms())
            await first_of(clock.sleep_until(due_ms), clock.pause(left_ms), set_(self._news))
        else:
            await self._news.wait()
        self._news.clear()

    def _room(self) -> bool:
        return len(self._parked) < self._parked_max

    def _reason(self, way: Way, now_ms: int) -> DeliveryReason | None:
        if not self._turnstiles.other_ways(way, now_ms):
            return None
        if not self._turnstiles.passable(way, now_ms):
            return DeliveryReason.PROVIDER_OPEN
        if len(self._held.get(way, ())) >= self._held_max:
            return DeliveryReason.PROVIDER_BUSY
        return None

    def _due_ms(self, way: Way, now_ms: int) -> int:
        """Return when a row is due: each after the one before, so that they keep their order."""
        spacing_ms = self._turnstiles.spacing_ms(way)
        ready_ms = self._turnstiles.ready_ms(way, now_ms)
        due_ms = max(ready_ms, now_ms + 1, self._last_due_ms.get(way, 0) + spacing_ms)
        self._last_due_ms[way] = due_ms
        return due_ms

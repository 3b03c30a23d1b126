"""What still waits, by its own records: timers, releases that are not routed yet, hand-offs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from tocsin.app.auditing.slices import read_window
from tocsin.app.routing.holding import timer_key
from tocsin.domain.audit import Channel, Planned, Window
from tocsin.domain.channels import INBOX
from tocsin.domain.lanes import LANES
from tocsin.domain.records import Continue, Handoff, Individuals, Release
from tocsin.ports.log import Log
from tocsin.ports.state import Timers
from tocsin.ports.views import LedgerView

_AT_ONCE: Final = 1_000

Pending = dict[bytes, Channel]
"""Delivery → (lane, channel)."""


class PendingStep:
    """Finds the deliveries of a window that wait and have no outcome."""

    def __init__(self, log: Log, timers: Timers, ledger: LedgerView) -> None:
        self._log = log
        self._timers = timers
        self._ledger = ledger

    async def __call__(
        self, window: Window, planned: Planned, routed: Mapping[tuple[str, int], int]
    ) -> Pending:
        """Return what waits; *routed* is where the router stands, per (topic, partition)."""
        waiting = await self._held(planned, routed)
        for lane, channel in sorted(planned.channels()):
            if channel != INBOX:
                waiting.update(await self._handed_off(window, (lane, channel)))
        settled: set[bytes] = set()
        for some in _portions(waiting):
            settled.update(await self._ledger.settled(some))
        return {each: of for each, of in waiting.items() if each not in settled}

    async def _held(self, planned: Planned, routed: Mapping[tuple[str, int], int]) -> Pending:
        """A timer is armed until its release is on the log, and a release waits until routed."""
        armed: set[bytes] = set()
        for some in _portions(planned.deferred):
            armed.update(timer.about for timer in await self._timers.waiting(some))
        rest = [each for each in planned.deferred if each not in armed]
        released = await self.unrouted(routed) if rest else set()
        return {
            delivery: (lane, deferred.channel)
            for delivery, (lane, deferred) in planned.deferred.items()
            if delivery in armed
            or timer_key(delivery, deferred.until_ms, deferred.released) in released
        }

    async def unrouted(self, routed: Mapping[tuple[str, int], int]) -> set[bytes]:
        """Return the keys of what timers have put on the log and the router has not come to."""
        found: set[bytes] = set()
        for lane in LANES:
            topic = f"events.{lane}"
            for partition in range(self._log.partitions):
                position = routed.get((topic, partition), 0)
                while position < self._log.end(topic, partition):
                    batch = await self._log.read(topic, partition, position, records_max=_AT_ONCE)
                    found.update(
                        each.key
                        for each in batch.records
                        if isinstance(each, Release | Continue | Individuals)
                    )
                    if not batch.records:
                        break
                    position = batch.end
        return found

    async def _handed_off(self, window: Window, of: Channel) -> Pending:
        lane, channel = of
        topic = f"deliver.{channel}.{lane}"
        found: Pending = {}
        for partition in range(self._log.partitions):
            async for batch in read_window(self._log, topic, partition, *window[:2]):
                found.update(
                    (each.delivery, of)
                    for each in batch.records
                    if isinstance(each, Handoff) and window.holds(each.stamp_ms)
                )
        return found


def _portions(deliveries: Iterable[bytes]) -> Iterable[Sequence[bytes]]:
    left = iter(deliveries)
    while some := list(islice(left, _AT_ONCE)):
        yield some

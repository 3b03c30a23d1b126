"""
Who waits behind whom: first hand-offs to one address keep their order past a message that fails.

A message that is to be tried again is the *head* of its line, a recipient's address on one channel
and lane; what comes after it is parked behind it, until it has settled, but no longer than the
lane's patience. So is one whose provider is left alone for a while; what comes after it could not
go either, so patience begins when the provider may be called again. A message that waits for
another reason (quiet hours) has left the line.

Everything here follows from records of ``outcomes``, so whoever takes over a partition has the same
lines after reading them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain.delivery import OPEN, DeliveryReason, State
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Attempt, Settled

# An enumeration's member costs as much to name as a record to make, and these are named for each.
_DEFERRED: Final = State.DEFERRED
_PENDING: Final = State.PENDING
_PAUSED: Final = Reason.PAUSED
_BEHIND_ANOTHER: Final = DeliveryReason.BEHIND_ANOTHER

FOR_PROVIDER: Final = frozenset({DeliveryReason.PROVIDER_OPEN, DeliveryReason.PROVIDER_BUSY})

_NEVER_MS: Final = 1 << 62

PATIENCE_MS: Final = {"critical": 30_000, "transactional": 900_000, "bulk": 900_000}


def line_of(delivery: bytes) -> bytes:
    """Return what names a delivery's line: its recipient and the number of its address."""
    return delivery[11:16] + delivery[17:19]


def _holds_line(record: Settled) -> bool:
    """Return whether who comes after must wait for it."""
    if record.reason == _PAUSED:
        return False
    return bool(record.attempt) or record.reason in FOR_PROVIDER


def _waits_not(record: Attempt | Settled) -> bool:
    """Return whether nobody waits because of *record*, as nearly always."""
    return isinstance(record, Attempt) or (
        record.state not in OPEN and record.reason != _BEHIND_ANOTHER
    )


@dataclass(slots=True)
class _Line:
    """Somebody waits here."""

    head: bytes | None
    until_ms: int
    ends_ms: int
    mark: int
    # Its first entry is found in constant time however many were taken out before it.
    parked: OrderedDict[bytes, int] = field(default_factory=OrderedDict)
    """Who waits behind the head, in order, each with a number above all before."""
    _numbers: int = 0

    def park(self, delivery: bytes) -> None:
        """Let *delivery* wait behind all others, unless it does already."""
        if delivery not in self.parked:
            self.parked[delivery] = self._numbers
            self._numbers += 1

    def place(self, delivery: bytes) -> int:
        """Return how many wait before it, or at most as many more as have left between them."""
        if not self.parked:
            return 0
        first = next(iter(self.parked.values()))
        return self.parked.get(delivery, self._numbers) - first


def _begin(line: _Line, attempt: Attempt) -> None:
    """
    Who is called is the head until it is known how that ended, also by the next owner.

    Who is called while patience lasts has found no head: a receipt had settled it, which the owner
    of then noticed without a record of its own.
    """
    delivery = attempt.delivery
    if delivery in line.parked and (line.head is None or attempt.at_ms < line.ends_ms):
        line.head = delivery
    line.parked.pop(delivery, None)


class HandoffOrder:
    """The lines of one partition, channel and lane in which somebody waits."""

    def __init__(self, patience_ms: int) -> None:
        self._patience_ms = patience_ms
        # In the order in which they began, and so of their marks.
        self._lines: OrderedDict[bytes, _Line] = OrderedDict()
        self._looks_ms = _NEVER_MS
        """Until then no line's patience ends."""
        self._ended: dict[bytes, OrderedDict[bytes, None]] = {}
        """Who still waited, in order, when patience with their line had ended."""

    @property
    def idle(self) -> bool:
        """Whether nobody waits, or has waited, in any line."""
        return not self._lines and not self._ended

    def park_until(self, delivery: bytes, now_ms: int) -> int | None:
        """Return how long *delivery* has to wait for those before it, None: not at all."""
        if not self._lines:
            return None
        line = self._lines.get(line_of(delivery))
        if line is None or line.ends_ms <= now_ms or delivery == line.head:
            return None
        if line.head is None and delivery == next(iter(line.parked), None):
            return None
        # Each a millisecond after the one before, so that timers give them back in order, also at
        # the end of their patience; those that were given their times at different moments may
        # come back in another.
        place = line.place(delivery)
        # Who is next should be here by then. It may be an hour away all the same, when the clock
        # was set back: to look each time as long again costs few looks, and no followers' patience.
        overdue_ms = max(0, now_ms - line.until_ms)
        return min(max(line.until_ms, now_ms) + overdue_ms + 1, line.ends_ms) + place

    def passed(self, delivery: bytes, now_ms: int) -> bool:
        """Return whether *delivery* goes before one that it has waited for long enough."""
        if self.idle:
            return False
        name = line_of(delivery)
        line = self._lines.get(name)
        if line is not None and line.ends_ms <= now_ms:
            self._end(name, line)
        earlier = next(iter(self._ended.get(name, ())), delivery)
        return earlier != delivery

    def take(self, record: Attempt | Settled, position: int) -> None:
        """Follow one record of ``outcomes``, at its *position*."""
        if self._lines or self._ended or not _waits_not(record):
            self._take(record, position)

    def _take(self, record: Attempt | Settled, position: int) -> None:
        line = self._lines.get(line_of(record.delivery))
        if self._ended and (isinstance(record, Attempt) or record.state not in OPEN):
            self._gone(record.delivery)
        if isinstance(record, Attempt):
            if line is not None:
                _begin(line, record)
        elif record.state == _DEFERRED and _holds_line(record):
            self._fail(line, record, position)
        elif record.reason == _BEHIND_ANOTHER:
            if line is not None:
                line.park(record.delivery)
            else:
                waiting = self._ended.setdefault(line_of(record.delivery), OrderedDict())
                waiting[record.delivery] = None
        elif line is not None and not record.receipt and record.state != _PENDING:
            self.leave(record.delivery)

    def leave(self, delivery: bytes) -> None:
        """Let *delivery* out of its line: it has settled, or waits for something else."""
        line = self._lines.get(line_of(delivery))
        if line is None:
            return
        line.parked.pop(delivery, None)
        if line.head == delivery:
            line.head = None
        if line.head is None and not line.parked:
            del self._lines[line_of(delivery)]

    def standing(self) -> list[bytes]:
        """Return the deliveries that others wait behind, or may."""
        found: list[bytes] = []
        for line in self._lines.values():
            found += line.parked if line.head is None else (line.head, *line.parked)
        return found

    def lowest_mark(self, otherwise: int, now_ms: int) -> int:
        """Return the position from which the lines can be known again."""
        if self._looks_ms <= now_ms:
            for name in [name for name, line in self._lines.items() if line.ends_ms <= now_ms]:
                self._end(name, self._lines[name])
            ends_ms = (line.ends_ms for line in self._lines.values())
            self._looks_ms = min(ends_ms, default=_NEVER_MS)
        first = next(iter(self._lines.values()), None)
        return otherwise if first is None else first.mark

    def _end(self, name: bytes, line: _Line) -> None:
        del self._lines[name]
        waiting = self._ended.setdefault(name, OrderedDict())
        if line.head is not None:
            waiting[line.head] = None
        waiting.update(dict.fromkeys(line.parked))
        if not waiting:
            del self._ended[name]

    def _gone(self, delivery: bytes) -> None:
        waiting = self._ended.get(line_of(delivery))
        if waiting is not None:
            waiting.pop(delivery, None)
            if not waiting:
                del self._ended[line_of(delivery)]

    def _fail(self, line: _Line | None, record: Settled, position: int) -> None:
        until_ms = record.until_ms or record.at_ms
        begin_ms = until_ms if record.reason in FOR_PROVIDER else record.at_ms
        if line is None or line.ends_ms <= record.at_ms:
            ends_ms = begin_ms + self._patience_ms
            name = line_of(record.delivery)
            if line is not None:
                self._end(name, line)
            self._lines[name] = _Line(record.delivery, until_ms, ends_ms, position)
            self._looks_ms = min(self._looks_ms, ends_ms)
        elif line.head in {None, record.delivery}:
            line.head, line.until_ms = record.delivery, until_ms
            line.parked.pop(record.delivery, None)
            if record.reason in FOR_PROVIDER:
                line.ends_ms = max(line.ends_ms, begin_ms + self._patience_ms)
        else:
            # It had overtaken the head, and waits now like the others.
            line.park(record.delivery)

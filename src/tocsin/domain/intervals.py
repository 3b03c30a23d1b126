"""
The steps of a workflow that let time pass: a delay, and a wait that something may make needless.

An interval cuts a workflow's channel steps into stretches. The run decides one stretch, intervals, and
decides the next one anew in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

Condition = Literal["delivered", "read", "acknowledged"]
"""What may have become of an earlier delivery; each includes those behind it."""

CONDITIONS: Final[tuple[Condition, ...]] = ("delivered", "read", "acknowledged")

SCHEDULED: Final = -1
"""The number of the interval before a run that is to begin later (``send_at``)."""

PART: Final = -2
"""
The number of the interval before a part of a large audience begins; the part stands in the place of a
recipient.
"""

_INTERVAL_MARK: Final = 255
"""Where a delivery's key has its step: more than a workflow may have."""


class DelayStep(msgspec.Struct, frozen=True):
    """Go on after some time."""

    for_ms: int


class WaitStep(msgspec.Struct, frozen=True):
    """
    Go on after some time, unless an earlier delivery came so far meanwhile: then the run is over.

    ``of`` are the names of the earlier channel steps that are looked at; empty: all of them.
    """

    for_ms: int
    unless: Condition
    of: tuple[str, ...] = ()


IntervalStep = DelayStep | WaitStep


class Interval(NamedTuple):
    """An interval of a compiled workflow; steps are counted among channel steps."""

    number: int
    before: int
    """The channel step that follows."""
    for_ms: int
    unless: Condition | None = None
    """None: a delay."""
    of: tuple[int, ...] = ()
    """The steps that a wait looks at."""

    @property
    def words(self) -> str:
        """Return the interval as it stands in the document, for people."""
        return "delay" if self.unless is None else f"wait unless {self.unless}"


class StepName(NamedTuple):
    """A channel step as intervals see it."""

    place: int
    name: str


def compile_interval(
    step: IntervalStep, number: int, earlier: Sequence[StepName], before: int
) -> Interval:
    """Return *step* as the *number*-th interval, with *earlier* channel steps before it."""
    if isinstance(step, DelayStep):
        return Interval(number, before, step.for_ms)
    of = tuple(each.place for each in earlier if not step.of or each.name in step.of)
    return Interval(number, before, step.for_ms, step.unless, of)


def interval_key(notification: bytes, number: int) -> bytes:
    """
    Return the key of one interval of one run: 20 bytes, beside the keys of the run's deliveries.

    *notification* is the run's key, or that of a fan-out for a run that is to begin later.
    """
    return notification + bytes((_INTERVAL_MARK,)) + number.to_bytes(2, "big", signed=True) + b"\0"


def is_interval(key: bytes) -> bool:
    """Return whether the key of a claim row or timer is that of an interval, not of a delivery."""
    return len(key) == 20 and key[16] == _INTERVAL_MARK


def interval_number(key: bytes) -> int:
    """Return the number of the interval whose key this is."""
    return int.from_bytes(key[17:19], "big", signed=True)

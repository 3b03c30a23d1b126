"""Runs that wait for what becomes of their deliveries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from tocsin.domain.waiting import Fact


class Wait(msgspec.Struct, frozen=True, array_like=True):
    """
    A run that waits, or is delayed and will wait: one row per run.

    ``record`` is the encoded `tocsin.domain.records.Continue` that goes to (topic, partition)
    when the interval is over; ``watched`` are the deliveries that the wait looks at. ``unless`` is
    empty for a delay.
    """

    run: bytes
    """The notification's key."""
    recipient: int
    interval: int
    unless: str
    for_ms: int
    topic: str
    partition: int
    record: bytes
    watched: tuple[bytes, ...] = ()
    expires_ms: int | None = None
    cancellation_key: str | None = None
    event_ms: int | None = None
    armed: bool = False
    """Whether its timer was armed: the time runs, or it is a delay."""


class Watched(NamedTuple):
    """A wait and the facts of its run's deliveries."""

    wait: Wait
    facts: Sequence[Fact]


class Waits(Protocol):
    """
    Runs that wait for deliveries, and what is known of those.

    Rows are those of one run until it is over. A second `put` takes the place of the first; facts
    stay. `note` says the same twice without harm.
    """

    @property
    def any(self) -> bool:
        """Whether there may be rows: without, nobody needs to look. Answered from memory."""

    async def look(self) -> None:
        """Bring `any` up to date when the last row may have gone."""

    def on_put(self, tell: Callable[[Sequence[bytes]], None]) -> None:
        """Call *tell* on the loop when rows are durable, with the runs of those without a timer."""

    async def claim_put(self, waits: Sequence[Wait], facts: Sequence[Fact]) -> None:
        """
        Write rows, and *facts* about deliveries where there are none.

        No log commit that is submitted afterwards becomes durable unless this does.
        """

    async def claim_drop(self, runs: Sequence[bytes]) -> None:
        """Remove rows and facts; ordered with commits like `claim_put`."""

    async def note(self, facts: Sequence[Fact]) -> None:
        """
        Add what is said in *facts* to deliveries that have a row; the first word stands.

        One whose ``delivery`` is a run's key is about what the run has shown in the inbox.
        """

    async def of_runs(self, runs: Sequence[bytes]) -> Sequence[Watched]:
        """Return those of *runs* that wait."""

    async def of_recipients(self, recipients: Sequence[int]) -> Sequence[Watched]:
        """Return all that wait and belong to *recipients*."""

    async def unarmed(self, after: bytes, limit: int) -> Sequence[Watched]:
        """Return rows without a timer above the run *after*, in order."""

    async def mark_armed(self, runs: Sequence[tuple[bytes, int]]) -> None:
        """Note that the time of these (run, interval) runs."""

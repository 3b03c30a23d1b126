"""What route decided about one input."""

from __future__ import annotations

import msgspec

from tocsin.domain.decision import PlannedNotification
from tocsin.domain.reasons import Outcome
from tocsin.domain.records.format import FORMAT


class PlannedRun(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One workflow of one event: who gets it, or which fan-out finds out."""

    workflow: str
    version: int
    index: int
    notifications: tuple[PlannedNotification, ...] = ()
    fanout: bytes | None = None
    outcome: Outcome = Outcome.ROUTED
    owner: bytes | None = None
    """The event that owns this run when the outcome is `Outcome.ALIAS`."""
    contents: tuple[bytes, ...] = ()
    """Rendered inbox texts (`tocsin.domain.items`), each once; decisions name theirs by index."""
    category: str = ""
    expires_ms: int | None = None
    waits: tuple[tuple[int, int], ...] = ()
    """
    (recipient, number of the interval) of those whose run goes on later; (0, -1) when all of it does.
    """

    def __repr__(self) -> str:
        return f"PlannedRun({self.workflow}, {len(self.notifications)} notifications)"


class Plan(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="plan", gc=False):
    """
    What route decided about one input record. Exactly one per record, in the same partition.

    Topic ``plans.<lane>``. ``previous`` is the position of the input handled before this one, so
    that a reader sees a gap (`tocsin.domain.marks`).
    """

    incarnation: int
    position: int
    previous: int
    input_key: bytes
    """The event's key, or the timer's."""
    event: bytes
    """The key of the event that this is about."""
    decided_ms: int
    outcome: Outcome
    runs: tuple[PlannedRun, ...] = ()
    alias_of: bytes | None = None
    detail: str = ""
    trace: str | None = None
    tenant: str | None = None
    locale: str | None = None
    released: bytes | None = None
    """The timer whose release this plan answers: its notifications count as planned already."""
    event_position: int = 0
    """Where the event's own record lies; differs from ``position`` when a timer was released."""
    format: int = FORMAT
    facts_away: tuple[str, ...] = ()
    """What could not be read when it was decided, so that the last known of it counted."""
    producer: str = ""
    """Who sent the event, for the hand-offs that follow."""
    replay_of: bytes | None = None
    """The failed delivery in whose place this plan has another: it counts as planned here."""
    generation: int = 0
    """Of the deliveries that this plan decides: above 0 for a replay."""

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again: the event's, where it is about one."""
        if not self.event or self.outcome is Outcome.REPEAT:
            return self.decided_ms
        return int.from_bytes(self.event[:6], "big")

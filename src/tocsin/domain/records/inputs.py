"""What accept, timers and fan-outs append for route to decide."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.domain.records.format import FORMAT


class Event(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="event", gc=False):
    """
    An accepted event: the immutable fact, and what accept pinned to it.

    Topic ``events.<lane>``. ``data`` is the JSON text as it came. ``audience`` and ``exclude`` are
    the JSON text of the call's terms, None when the workflow's rule names the audience.
    ``workflows`` are those of this lane that take the event. ``content`` is the inline workflow
    document of a message sent by hand.
    """

    key: bytes
    accepted_ms: int
    producer: str
    source: str
    id: str
    type: str
    digest: bytes
    """16 bytes: hash of (producer's scope, source, id), for deduplication."""
    data: bytes = b"{}"
    workflows: tuple[tuple[str, int, int], ...] = ()
    """(key, version, index in the event's whole list of workflows)."""
    subject: str | None = None
    time_ms: int | None = None
    audience: bytes | None = None
    exclude: bytes | None = None
    actor: str | None = None
    tenant: str | None = None
    locale: str | None = None
    cancellation_key: str | None = None
    expires_ms: int | None = None
    trace: str | None = None
    strict_recipients: bool = False
    may_change_addresses: bool = False
    content: bytes | None = None
    data_ref: str | None = None
    """Where ``data`` lies among the blobs when it is above 64 KB."""
    format: int = FORMAT
    send_ms: int | None = None
    """When it is to be sent, if not at once: its audience is resolved then."""

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return self.accepted_ms

    def __repr__(self) -> str:
        return f"Event({self.key.hex()}, {self.type})"


class Release(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="release"):
    """
    A timer that came due: what it held is decided anew.

    Topic ``events.<lane>``. ``key`` is the timer's id, so that a second record of the same timer is
    seen to be one.
    """

    key: bytes
    due_ms: int
    event_lane: str
    event_partition: int
    event_position: int
    workflow_index: int
    recipient: int
    step: int
    address: int
    trace: str | None = None
    format: int = FORMAT
    profile_version: int = 0
    """The version of the recipient by whose addresses the held delivery was planned."""
    replay_of: bytes | None = None
    """The delivery that failed and is made anew: no timer held it, somebody asked for it."""
    generation: int = 0
    """Of the delivery that is decided: above 0 for a replay."""

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return self.due_ms


class Continue(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="continue"):
    """
    An interval that is over: what follows it in the run is decided.

    Topic ``events.<lane>``, in the partition of the event. ``key`` is the timer's id, the same
    whatever ended the interval, so that a second record of the same interval is seen to be one.
    """

    key: bytes
    due_ms: int
    event_lane: str
    event_partition: int
    event_position: int
    workflow_index: int
    recipient: int
    """0 for a run that begins now: its audience is resolved then."""
    interval: int
    """The number of the interval; `tocsin.domain.intervals.SCHEDULED` for a run that begins now."""
    made: tuple[tuple[int, int], ...] = ()
    """(step, address) of the run's deliveries so far that were to be made."""
    trace: str | None = None
    format: int = FORMAT
    early: bool = False
    """Whether it was not the timer that ended the interval: that one is to be let go of."""

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return self.due_ms


class Individuals(
    msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="individuals"
):
    """
    Recipients of a fan-out's chunk whom a personal rule concerns: they are decided one by one.

    Topic ``events.<lane>``. ``key`` comes from chunk and place within it, so that a second record
    of the same recipients is seen to be one. They are decided for *step* alone; where it is -1 they
    are part of an audience whose runs interval, and their runs begin.
    """

    key: bytes
    event: bytes
    event_lane: str
    event_partition: int
    event_position: int
    workflow_index: int
    step: int
    recipients: tuple[int, ...]
    trace: str | None = None
    format: int = FORMAT

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return int.from_bytes(self.event[:6], "big")


LATER_INPUTS: Final = (Release, Individuals, Continue)
"""Inputs about an event that was routed before, to compare with."""

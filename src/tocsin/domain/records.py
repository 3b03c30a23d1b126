"""
The records on the log, each with its format version.

A version of Tocsin reads the format it writes and the one before; ``tests/golden`` keeps bytes of
every format that was ever written. They are msgpack arrays, so a field is only ever added at the
end, with a default.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.domain.decision import PlannedNotification
from tocsin.domain.reasons import Outcome

FORMAT: Final = 1


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

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return self.accepted_ms


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

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return self.due_ms


class Individuals(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="individuals"):
    """
    Recipients of a fan-out's chunk whom a personal rule concerns: they are decided one by one.

    Topic ``events.<lane>``. ``key`` comes from chunk and place within it, so that a second record
    of the same recipients is seen to be one. They are decided for *step* alone.
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


class PlannedRun(msgspec.Struct, frozen=True, array_like=True):
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


class Plan(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="plan"):
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

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again: the event's, where it is about one."""
        if not self.event or self.outcome is Outcome.REPEAT:
            return self.decided_ms
        return int.from_bytes(self.event[:6], "big")


class Item(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="item", gc=False):
    """
    One inbox item.

    Topic ``inbox.<lane>``, keyed by recipient. ``body`` is the JSON object as clients get it.
    ``plan`` is (partition, position, index) of the plan record it follows from.
    """

    key: bytes
    recipient: int
    recipient_id: str
    visible_ms: int
    category: str
    body: bytes
    expires_ms: int | None = None
    plan: tuple[int, int, int] = (0, 0, 0)
    step: int = 0
    trace: str | None = None
    format: int = FORMAT

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return int.from_bytes(self.key[:6], "big")


class StateChange(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="state"):
    """
    A change to inbox items that a person made: one record per request.

    Topic ``inbox.states``, keyed by recipient. ``keys`` is empty for ``…-all``, which holds for
    the items below ``until``: a position for each stream, from the cursor that the request carried
    or else from the moment at which it came.
    """

    recipient: int
    recipient_id: str
    state: str
    """seen | read | unread | archive | unarchive | acknowledge | received."""
    keys: tuple[bytes, ...]
    at_ms: int
    until: tuple[int, ...] = ()
    places: tuple[bytes, ...] = ()
    """The place of each of ``keys`` in the inbox: which ``…-all`` before concerned it."""
    delivered: tuple[tuple[bytes, str], ...] = ()
    """(delivery key, lane) of those that this change shows to have arrived."""
    format: int = FORMAT

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return self.at_ms


class Broadcast(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="broadcast"):
    """
    One chunk of a fan-out, decided: who of a block of 65,536 dense numbers gets the content.

    Topic ``inbox.broadcasts`` (one partition). Written once, never changed: of two records of the
    same (fanout, step, block, part) the first stands. ``by_reason`` maps a reason code to a
    serialised Roaring bitmap; ``send`` is one of them, and those to whom `Individuals` refers are
    in none. ``body`` is the JSON of the item without id; it is rendered at read time when
    ``personal``. ``part`` counts the slices of a block on channels other than the inbox.
    """

    fanout: bytes
    event: bytes
    workflow: str
    version: int
    index: int
    step: int
    channel: str
    category: str
    lane: str
    block: int
    visible_ms: int
    by_reason: dict[str, bytes]
    body: bytes
    event_place: tuple[str, int, int]
    """(lane, partition, position) of the event's record."""
    personal: bool = False
    expires_ms: int | None = None
    trace: str | None = None
    format: int = FORMAT
    part: int = 0

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return int.from_bytes(self.event[:6], "big")


class Handoff(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="handoff"):
    """
    One delivery that a channel's workers should make.

    Topic ``deliver.<channel>.<lane>``, keyed by recipient.
    """

    delivery: bytes
    event_lane: str
    event_partition: int
    event_position: int
    recipient: int
    workflow: str
    version: int
    step: int
    address: int
    planned_ms: int
    expires_ms: int | None = None
    trace: str | None = None
    plan: tuple[int, int, int] = (0, 0, 0)
    format: int = FORMAT

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return int.from_bytes(self.delivery[:6], "big")


class Retry(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="retry"):
    """
    A timer that came due: a delivery that waited is looked at again.

    Topic ``deliver.<channel>.<lane>``, in the partition of its hand-off. ``key`` is the timer's id;
    ``attempts`` is how many had been made when it was armed, by which a repeat is told.
    """

    key: bytes
    due_ms: int
    handoff: Handoff
    attempts: int = 0
    format: int = FORMAT

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return self.handoff.stamp_ms


class Attempt(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="attempt"):
    """
    A call that is about to be made. Topic ``outcomes``, keyed by delivery; durable before the call.
    """

    delivery: bytes
    number: int
    epoch: int
    provider: str
    reference: str
    at_ms: int
    channel: str = ""
    lane: str = ""
    format: int = FORMAT

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return int.from_bytes(self.delivery[:6], "big")


class Settled(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="settled"):
    """
    What an attempt, a receipt or a decision came to. Topic ``outcomes``, keyed by delivery.

    ``known`` False says that the provider may or may not have accepted. A state that does not
    settle anything (deferred) has ``until_ms``, when it is looked at again.
    """

    delivery: bytes
    lane: str
    channel: str
    state: str
    reason: str
    at_ms: int
    attempt: int = 0
    epoch: int = 0
    provider: str = ""
    provider_id: str | None = None
    known: bool = True
    detail: str = ""
    receipt: bool = False
    until_ms: int | None = None
    format: int = FORMAT

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return int.from_bytes(self.delivery[:6], "big")


class Poison(msgspec.Struct, frozen=True):
    """
    What a reader gets in place of a record that it cannot decode. Never written to the log.

    Its position counts like any other; route answers it with a plan whose outcome is poison.
    """

    body: bytes
    detail: str

    def __repr__(self) -> str:
        return f"Poison({len(self.body)} bytes)"


Record = (
    Event
    | Release
    | Individuals
    | Plan
    | Item
    | StateChange
    | Broadcast
    | Handoff
    | Retry
    | Attempt
    | Settled
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """Return the bytes of *record* as they lie on the log."""
    return _encoder.encode(record)


def decode(body: bytes) -> Record | Poison:
    """Read a record; bytes that are none of a known format are `Poison`, never absent."""
    try:
        record = _decoder.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        return Poison(body, f"cannot be decoded: {type(error).__name__}")
    if record.format > FORMAT:
        return Poison(body, f"has format {record.format}; this version reads up to {FORMAT}")
    return record

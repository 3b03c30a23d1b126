"""What inboxes show, and what their owners changed."""

from __future__ import annotations

import msgspec

from tocsin.domain.records.format import FORMAT


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

    def __repr__(self) -> str:
        return f"Item({self.key.hex()})"


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

    def __repr__(self) -> str:
        return f"Broadcast({self.fanout.hex()}, {self.step}, {self.block}, {self.part})"

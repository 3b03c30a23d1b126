"""What a channel's workers are given, and what became of it."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.domain.records.format import FORMAT


class Handoff(
    msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="handoff", gc=False
):
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
    producer: str = ""
    """Who sent the event: those who share a lane take turns in it."""

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return int.from_bytes(self.delivery[:6], "big")


class Retry(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="retry", gc=False):
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


Considered = tuple[str, str, int]
"""
A provider that was considered, why (chosen | open | paused | not_taken, empty: its turn had not
come), and how many of a hundred deliveries are given to it first.
"""


class Attempt(
    msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="attempt", gc=False
):
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
    route: str = ""
    """Which route of the channel said who carries it; empty where there was no choice."""
    considered: tuple[Considered, ...] = ()
    """In the order in which they were asked."""

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return int.from_bytes(self.delivery[:6], "big")


class Settled(
    msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="settled", gc=False
):
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
    workflow: str = ""
    """Of what has failed: dead letters are looked for by it. A receipt does not know it."""

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return int.from_bytes(self.delivery[:6], "big")


OUTCOME_RECORDS: Final = (Attempt, Settled)
"""What lies on ``outcomes``, to compare with: a union in its place would be made at each look."""


class Reported(
    msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="reported", gc=False
):
    """
    What was reported of a delivery: durable before the report is answered, judged afterwards.

    Topic ``receipts``, keyed by recipient. ``state`` is one of
    `tocsin.ports.receipts.ReceiptState`; the same may be reported many times, in any order, and
    about deliveries that nobody knows.
    """

    delivery: bytes
    provider: str
    state: str
    reason: str
    at_ms: int
    dead_address: bool = False
    detail: str = ""
    format: int = FORMAT
    attempt: int = 0
    """Which attempt it is about; 0 where it does not say."""

    @property
    def stamp_ms(self) -> int:
        """The time by which this record is found again."""
        return int.from_bytes(self.delivery[:6], "big")

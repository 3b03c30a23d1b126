"""
Dead letters: what failed for good, and can be made anew or put aside.

A delivery becomes one when it ends as failed, whatever the reason: refused, given up after its last
attempt, its outcome unknown, its message impossible to make, or bounced later. What was suppressed,
expired or cancelled was not meant to be sent any more, so it is none. An input record that could
not be read or decided is one of another kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec
import xxhash

from tocsin.domain.delivery import State
from tocsin.domain.ids import (
    notification_of,
    notification_parts,
    read_delivery,
    show_delivery,
)
from tocsin.domain.lanes import LANE_NUMBER, LANES
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Plan, Poison, Record, Settled
from tocsin.errors import RequestRefused

_INPUT: Final = re.compile(r"inp_[0-9a-f]{20}\Z")


class Kind(StrEnum):
    """What failed."""

    DELIVERY = "delivery"
    INPUT = "input"


class LetterState(StrEnum):
    """How a dead letter stands."""

    WAITING = "waiting"
    REPLAYING = "replaying"
    """Somebody asked for it; its record is not on the log yet."""
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """
    One dead letter. ``key`` is the delivery's, or an input's place (`input_key`).

    ``number`` orders them by when they were noted. ``mark`` is where on the log a replay of an
    input is looked for, so that it is appended once.
    """

    key: bytes
    kind: Kind
    lane: str
    reason: str
    at_ms: int
    channel: str = ""
    workflow: str = ""
    provider: str = ""
    recipient: int = 0
    detail: str = ""
    number: int = 0
    state: LetterState = LetterState.WAITING
    changed_ms: int = 0
    by: str = ""
    why: str = ""
    mark: int = 0

    @property
    def id(self) -> str:
        """Return the printed form: ``dlv_…`` or ``inp_…``."""
        if self.kind is Kind.DELIVERY:
            return show_delivery(self.key)
        return "inp_" + self.key.hex()


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters are meant: those that fit all that is given."""

    state: LetterState = LetterState.WAITING
    channel: str | None = None
    lane: str | None = None
    workflow: str | None = None
    provider: str | None = None
    reason: str | None = None
    since_ms: int | None = None


def input_key(lane: str, partition: int, position: int) -> bytes:
    """Return the key of the dead letter of an input record: 10 bytes, its place."""
    return bytes((LANE_NUMBER[lane], partition)) + position.to_bytes(8, "big")


def input_place(key: bytes) -> tuple[str, int, int]:
    """Return (topic, partition, position) of an input record."""
    return f"events.{LANES[key[0]]}", key[1], int.from_bytes(key[2:], "big")


def read_letter(text: str) -> bytes:
    """Read ``dlv_…`` or ``inp_…``; raises `RequestRefused` with the code ``invalid_id``."""
    if text.startswith("dlv_"):
        return read_delivery(text)
    if _INPUT.match(text) is None or bytes.fromhex(text[4:])[0] >= len(LANES):
        raise RequestRefused("an id that starts with dlv_ or inp_ is needed", code="invalid_id")
    return bytes.fromhex(text[4:])


def replay_key(key: bytes, generation: int) -> bytes:
    """Return the id of the record that makes a delivery anew: the same however often it is made."""
    return xxhash.xxh3_128_digest(b"replay" + key + bytes((generation,)))


def letters(topic: str, partition: int, records: Sequence[Record | Poison]) -> Iterator[DeadLetter]:
    """Yield the dead letters that follow from records of ``outcomes`` or ``plans.<lane>``."""
    # Hot, and there is nearly never one: an enumeration's members are looked up once.
    failed, poison = str(State.FAILED), Outcome.POISON
    for record in records:
        if type(record) is Settled:
            if record.state == failed:
                yield _of_delivery(record)
        elif type(record) is Plan and record.outcome is poison:
            yield _of_input(record, topic.partition(".")[2], partition)


def _of_delivery(record: Settled) -> DeadLetter:
    key = notification_of(record.delivery)
    return DeadLetter(
        key=record.delivery,
        kind=Kind.DELIVERY,
        lane=record.lane,
        channel=record.channel,
        workflow=record.workflow,
        provider=record.provider,
        reason=record.reason,
        detail=record.detail,
        at_ms=record.at_ms,
        recipient=notification_parts(key).recipient,
    )


def _of_input(plan: Plan, lane: str, partition: int) -> DeadLetter:
    return DeadLetter(
        key=input_key(lane, partition, plan.position),
        kind=Kind.INPUT,
        lane=lane,
        reason=Outcome.POISON,
        detail=plan.detail,
        at_ms=plan.decided_ms,
    )

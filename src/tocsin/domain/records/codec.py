"""Records as bytes, and back."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tocsin.domain.records.deliveries import Attempt, Handoff, Reported, Retry, Settled
from tocsin.domain.records.format import FORMAT
from tocsin.domain.records.inbox import Broadcast, Item, StateChange
from tocsin.domain.records.inputs import Continue, Event, Individuals, Release
from tocsin.domain.records.plans import Plan


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
    | Reported
    | Continue
)

_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """Return the bytes of *record* as they lie on the log."""
    return _encode(record)


def encode_all(records: Iterable[Record | Poison]) -> list[bytes]:
    """Return the bytes of each, as they lie on the log; of what could not be read those it has."""
    return [each.body if isinstance(each, Poison) else _encode(each) for each in records]


def decode(body: bytes) -> Record | Poison:
    """Read a record; bytes that are none of a known format are `Poison`, never absent."""
    try:
        record = _decoder.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        return Poison(body, f"cannot be decoded: {type(error).__name__}")
    if record.format > FORMAT:
        return Poison(body, f"has format {record.format}; this version reads up to {FORMAT}")
    return record

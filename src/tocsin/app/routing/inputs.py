"""What one batch of the route step holds, and how its parts hang together."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
import xxhash
from pyroaring import BitMap

from tocsin.domain.audience import Term
from tocsin.domain.intervals import Interval
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Continue, Event, Individuals, PlannedRun, Poison, Release
from tocsin.domain.workflow import Workflow

TIMER: Final = "timer"
"""Who holds the claim row of an interval whose time is over."""
RECEIPT: Final = "receipt"
"""Who holds it when what was waited for came in time."""

BEGINNING: Final = -1
"""In the place of a step: not one, but all of a run up to its first interval."""

EMPTY_OBJECT: dict[str, object] = {}


class Over(NamedTuple):
    """An interval that is over, and what ended it."""

    number: int
    made: tuple[tuple[int, int], ...]
    """(step, address) of the deliveries before it that were to be made."""
    by: str = TIMER
    at_ms: int = 0


class Resting(NamedTuple):
    """A recipient whose run goes on later."""

    recipient: int
    interval: Interval
    made: tuple[tuple[int, int], ...]
    """(step, address) of the deliveries so far that are to be made."""
    fresh: frozenset[tuple[int, int]]
    """Those of them that were decided just now."""


class Only(NamedTuple):
    """What is decided of a run whose event was routed before."""

    recipients: BitMap
    step: int
    address: int | None = None
    """The address of a delivery that was held; None: whatever the step reaches."""
    profile_version: int = 0
    """The version of the profile by whose addresses the held delivery was planned."""
    successors: tuple[int, ...] = ()
    """Addresses that are decided when the held one has gone."""
    over: Over | None = None
    """The interval after which the run goes on; `Individuals` of a whole run have its beginning."""


# Structs, since each event of a batch has one of both, and they are made and freed in C.
class Run(msgspec.Struct, eq=False, gc=False):
    """One workflow of one event, on its way to a decision."""

    workflow: Workflow
    index: int
    terms: tuple[Term, ...] = ()
    recipients: list[tuple[str, Recipient | None]] = []
    """(id, profile), each once; None for an unknown one under ``strict_recipients``."""
    own_data: dict[str, object] = {}
    """Data that is one recipient's alone, by id, decoded."""
    planned: PlannedRun | None = None
    """Set once it is known what the run comes to."""
    waits: bool = False
    """Whether a delivery of it is deferred."""
    only: Only | None = None
    """None: it begins with this input, for everybody."""
    resting: list[Resting] | None = None
    """Whose run goes on later."""


class Input(msgspec.Struct, eq=False, gc=False):
    """One input record at its position."""

    partition: int
    position: int
    previous: int
    record: Event | Release | Individuals | Continue | Poison
    event: Event | None = None
    """The event it is about; looked up where it was routed before."""
    event_position: int = 0
    data: object = None
    """The event's data, decoded; None until a rule or a template asks."""
    runs: list[Run] = []
    aliases: list[PlannedRun] = []
    repeat: bool = False
    alias_of: bytes | None = None
    detail: str = ""
    redone: bool = False
    """Whether it may have been decided before, without that becoming durable."""


_decoder = msgspec.json.Decoder()


def data_of(entry: Input) -> object:
    """Return the event's data as objects, decoded at most once."""
    if entry.data is None:
        assert entry.event is not None
        entry.data = _decoder.decode(entry.event.data)
    return entry.data


def dedup_key(digest: bytes, workflow: str) -> bytes:
    """
    Return what is claimed for one workflow of an event ("" when no workflow takes it).

    Per workflow, because an event may be the first for one workflow and a repeat for another, when
    a crash came between the appends to two lanes.
    """
    return xxhash.xxh3_128_digest(digest + workflow.encode())


def place_token(partition: int, position: int) -> bytes:
    """Return 16 bytes that name an input record: the owner of a timer's release."""
    return partition.to_bytes(8, "big") + position.to_bytes(8, "big")


def token_place(token: bytes) -> tuple[int, int]:
    """Return the (partition, position) of a token."""
    return int.from_bytes(token[:8], "big"), int.from_bytes(token[8:], "big")

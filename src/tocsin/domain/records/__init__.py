"""
The records on the log, each with its format version.

A version of Tocsin reads the format it writes and the one before; ``tests/golden`` keeps bytes of
every format that was ever written. They are msgpack arrays, so a field is only ever added at the
end, with a default.
"""

from __future__ import annotations

from tocsin.domain.records.codec import Poison, Record, decode, encode, encode_all
from tocsin.domain.records.deliveries import (
    OUTCOME_RECORDS,
    Attempt,
    Handoff,
    Reported,
    Retry,
    Settled,
)
from tocsin.domain.records.format import FORMAT
from tocsin.domain.records.inbox import Broadcast, Item, StateChange
from tocsin.domain.records.inputs import (
    LATER_INPUTS,
    Continue,
    Event,
    Individuals,
    Release,
)
from tocsin.domain.records.plans import Plan, PlannedRun

__all__ = [
    "FORMAT",
    "LATER_INPUTS",
    "OUTCOME_RECORDS",
    "Attempt",
    "Broadcast",
    "Continue",
    "Event",
    "Handoff",
    "Individuals",
    "Item",
    "Plan",
    "PlannedRun",
    "Poison",
    "Record",
    "Release",
    "Reported",
    "Retry",
    "Settled",
    "StateChange",
    "decode",
    "encode",
    "encode_all",
]

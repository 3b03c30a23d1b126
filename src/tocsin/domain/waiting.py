"""What has become of the deliveries that a run waits for, and what that means for the wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from tocsin.domain.delivery import State, settled
from tocsin.domain.inbox import ItemState, changed
from tocsin.domain.intervals import CONDITIONS
from tocsin.domain.records import Reported, Settled, StateChange


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """
    What is known of one delivery that a run waits for, or will.

    ``state`` is empty until it has settled. The other times are of what was reported later;
    ``shown`` is that of the inbox, which people report about.
    """

    delivery: bytes
    state: str = ""
    settled_ms: int | None = None
    delivered_ms: int | None = None
    read_ms: int | None = None
    acknowledged_ms: int | None = None
    shown: bool = False


class Stage(Enum):
    """How far a wait has come."""

    OPEN = "open"
    """Something that it looks at has not settled, so its time does not run yet."""
    RUNS = "runs"
    """Its time runs since the last of them settled."""
    MET = "met"
    """What was waited for has come."""
    VAIN = "vain"
    """It cannot come any more."""


class Judgement(NamedTuple):
    """A stage, and the time since which it holds."""

    stage: Stage
    at_ms: int


_ARRIVED: Final = frozenset({State.SENT, State.DELIVERED})


def judge(unless: str, facts: Sequence[Fact]) -> Judgement:
    """Judge a wait by all that is known of what it looks at."""
    met = [at for fact in facts if (at := _reached(unless, fact)) is not None]
    if met:
        return Judgement(Stage.MET, min(met))
    settled_ms = max((fact.settled_ms or 0 for fact in facts), default=0)
    if any(not fact.state for fact in facts):
        return Judgement(Stage.OPEN, settled_ms)
    if not any(fact.state in _ARRIVED for fact in facts):
        return Judgement(Stage.VAIN, settled_ms)
    return Judgement(Stage.RUNS, settled_ms)


def _reached(unless: str, fact: Fact) -> int | None:
    """Return when a delivery came as far as *unless* or farther, None when it has not."""
    times = (fact.delivered_ms, fact.read_ms, fact.acknowledged_ms)
    first = next(place for place, name in enumerate(CONDITIONS) if name == unless)
    return min((at for at in times[first:] if at is not None), default=None)


_RECEIPTS: Final[dict[str, str]] = {
    "delivered": "delivered_ms",
    "opened": "read_ms",
    "clicked": "read_ms",
    "complained": "read_ms",
    "unsubscribed": "read_ms",
    "acknowledged": "acknowledged_ms",
}
"""Who complained or unsubscribed had read it."""


def fact_of(record: Settled) -> Fact | None:
    """Return what an outcome or a receipt says of its delivery, if it is of use to a wait."""
    fact = Fact(record.delivery)
    field = _RECEIPTS.get(record.state) if record.receipt else None
    if field is not None:
        fact = msgspec.structs.replace(fact, **{field: record.at_ms})
    if record.state in _FINAL:
        fact = msgspec.structs.replace(fact, state=record.state, settled_ms=record.at_ms)
    return None if fact == Fact(record.delivery) else fact


_FINAL: Final = frozenset(str(state) for state in State if settled(state))


def fact_of_report(report: Reported) -> Fact | None:
    """
    Return what a receipt says of its delivery before it is told, if it can end a wait.

    What it says beyond that is for whoever tells of it to find out.
    """
    field = _RECEIPTS.get(report.state)
    if field is None:
        return None
    return msgspec.structs.replace(Fact(report.delivery), **{field: report.at_ms})


def facts_of(change: StateChange) -> Iterable[Fact]:
    """Return what a person's change says of the runs whose items it names."""
    state = changed(ItemState(), change.state, change.at_ms)
    if state == ItemState():
        return ()
    return [fact_of_item(key, state) for key in change.keys]


def fact_of_item(run: bytes, state: ItemState) -> Fact:
    """Return what an item's state says of its run."""
    seen = (state.received_ms, state.seen_ms, state.read_ms)
    delivered_ms = min((at for at in seen if at is not None), default=None)
    return Fact(
        run,
        delivered_ms=delivered_ms,
        read_ms=state.read_ms,
        acknowledged_ms=state.acknowledged_ms,
    )

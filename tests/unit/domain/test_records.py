"""Records end up in tracebacks and in a debugger's output: what people wrote does not."""

from __future__ import annotations

import pytest

from tocsin.domain.incoming import IncomingEvent
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Broadcast, Event, Item, Plan, PlannedRun, Poison, Record

CANARY = "ana@example.org"
TEXT = f'{{"to":"{CANARY}"}}'.encode()

EVENT = Event(
    key=bytes(16),
    accepted_ms=1,
    producer="shop",
    source="/shop",
    id="1",
    type="order.placed",
    digest=bytes(16),
    data=TEXT,
    audience=TEXT,
    content=TEXT,
)
RUN = PlannedRun("order", 1, 0, contents=(TEXT,))
PLAN = Plan(1, 0, -1, bytes(16), bytes(16), 1, Outcome.ROUTED, (RUN,))
ITEM = Item(bytes(16), 1, "ana", 1, "orders", TEXT)
CHUNK = Broadcast(
    fanout=bytes(16),
    event=bytes(16),
    workflow="order",
    version=1,
    index=0,
    step=0,
    channel="inbox",
    category="orders",
    lane="bulk",
    block=0,
    visible_ms=1,
    by_reason={},
    body=TEXT,
    event_place=("bulk", 0, 0),
)


@pytest.mark.parametrize(
    "record", [EVENT, PLAN, ITEM, CHUNK, Poison(TEXT, "broken")], ids=lambda r: type(r).__name__
)
def test_a_record_shows_no_text_of_people(record: Record | Poison) -> None:
    assert CANARY not in repr(record)


def test_an_event_that_comes_in_shows_none_either() -> None:
    event = IncomingEvent(type="order.placed", data=TEXT, audience=TEXT)
    assert CANARY not in repr(event)

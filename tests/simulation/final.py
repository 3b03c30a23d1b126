"""What the stores hold at the end, read through the engine's own ports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.simulation.calls import request, text
from tests.simulation.engine import Life
from tests.simulation.tracing import Placed, decided, planned
from tests.simulation.vendor import CHANNEL, Seen
from tocsin.app.inbox import Filter, Reader
from tocsin.domain.ids import GENERATIONS_MAX, generation_of, next_generation
from tocsin.domain.lanes import LANES
from tocsin.domain.records import (
    Attempt,
    Continue,
    Event,
    Handoff,
    Item,
    Plan,
    Record,
    Release,
    Settled,
)
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Batch
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.state import Timer
from tocsin.ports.views import SettledDelivery

_FAR_MS = 10**15


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item as an inbox shows it at the end."""

    id: str
    token: str
    workflow: str
    body: str
    flags: frozenset[str]


@dataclass(slots=True)
class Final:
    """The end of one run."""

    layout: str
    inputs: list[Placed] = field(default_factory=list)
    plans: list[Placed] = field(default_factory=list)
    items: list[Placed] = field(default_factory=list)
    handed: list[Placed] = field(default_factory=list)
    """What was handed over to the channel that nobody calls."""
    handoffs: list[Placed] = field(default_factory=list)
    """What was handed over to the played vendors."""
    outcomes: list[Placed] = field(default_factory=list)
    carried: dict[bytes, SettledDelivery] = field(default_factory=dict)
    """What the ledger says of all that was to be handed over to them."""
    calls: list[Seen] = field(default_factory=list)
    reported: dict[str, ReceiptState] = field(default_factory=dict)
    """What the vendors ever said, by reference."""
    metrics: str = ""
    inboxes: dict[str, list[ShownItem]] = field(default_factory=dict)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    devices: dict[str, tuple[str, dict[str, frozenset[str]], dict[str, Any] | None]] = field(
        default_factory=dict
    )
    """Device → (person, flags by item, the counts it was told last)."""
    settled: dict[bytes, SettledDelivery] = field(default_factory=dict)
    totals: dict[tuple[str, str, str], int] = field(default_factory=dict)
    due: list[Timer] = field(default_factory=list)
    armed: list[Timer] = field(default_factory=list)
    trail_broken_at: int | None = None
    ids: dict[int, str] = field(default_factory=dict)
    audit: dict[str, Any] | None = None
    mortal: set[str] = field(default_factory=set)
    """Items that expire: devices need not notice, and a clock set back revives them."""
    broadcasts: int = 0
    now_ms: int = 0

    @property
    def subjects(self) -> dict[tuple[str, int, int], str]:
        """The token of each event by its place."""
        return {
            (place.lane, place.partition, place.position): str(place.record.subject)
            for place in self.inputs
            if isinstance(place.record, Event)
        }

    @property
    def tokens_by_prefix(self) -> dict[bytes, str]:
        """The token of each event by what the keys of its items begin with."""
        return {
            place.record.key[:10]: str(place.record.subject)
            for place in self.inputs
            if isinstance(place.record, Event)
        }

    def lines(self) -> Iterator[str]:
        """Yield all that the trace says of the end; nothing in it depends on the order of sets."""
        for place in (*self.inputs, *self.plans, *self.items, *self.outcomes):
            yield repr(place)
        for person, items in self.inboxes.items():
            shown = [(item.id, sorted(item.flags)) for item in items]
            yield f"{person} {self.counts[person]} {shown}"
        yield f"{sorted(self.totals.items())} {self.now_ms}"


async def read_final(life: Life, layout: str) -> Final:
    """Read everything that an invariant looks at."""
    services = life.services
    final = Final(layout=layout, now_ms=life.clock.now_ms())
    for lane in LANES:
        final.inputs += await _records(life, f"events.{lane}", lane, (Event, Release, Continue))
        final.plans += await _records(life, f"plans.{lane}", lane, (Plan,))
        final.items += await _records(life, f"inbox.{lane}", lane, (Item,))
        final.handed += await _records(life, f"deliver.push.{lane}", lane, (Handoff,))
        topic = f"deliver.{CHANNEL}.{lane}"
        final.handoffs += await _records(life, topic, lane, (Handoff,))
    final.outcomes = await _records(life, OUTCOMES, "", (Attempt, Settled))
    for one in await services.stores.recipients.page(None, 1_000):
        final.ids[one.number] = one.id
        await _inbox(life, final, Reader(one.number, one.id))
    final.settled = dict(await services.storage.ledger.settled(_deliveries(final)))
    final.carried = dict(await services.storage.ledger.settled(_carried(final)))
    final.totals = dict(await services.storage.ledger.settled_counts(0, _FAR_MS))
    final.due = list(await services.stores.timers.due(final.now_ms, 1_000))
    final.armed = list(await services.stores.timers.due(_FAR_MS, 1_000))
    final.mortal = {
        "ntf_" + place.record.key.hex()
        for place in final.items
        if place.record.expires_ms is not None
    }
    reply = await request(life.driving.api.local(), "GET", "/v1/audit?since=30d")
    final.audit = reply.body
    final.metrics = await text(life.driving.api.local(), "/metrics")
    final.trail_broken_at = await services.stores.trail.verify()
    return final


async def _records(
    life: Life, topic: str, lane: str, kinds: tuple[type[Record], ...]
) -> list[Placed]:
    log = life.services.storage.log
    found = []
    for partition in range(log.partitions):
        position = 0
        while True:
            batch: Batch = await log.read(topic, partition, position, records_max=500)
            if not batch.records:
                break
            found += [
                Placed(lane, partition, at, record)
                for at, record in enumerate(batch.records, batch.position)
                if isinstance(record, kinds)
            ]
            position = batch.end
    return found


async def _inbox(life: Life, final: Final, reader: Reader) -> None:
    shown: list[ShownItem] = []
    for status in (None, "archived"):
        following: str | None = None
        while True:
            page = await life.services.inbox.page(
                reader, Filter(status=status), after=following, limit=100
            )
            shown += [_shown(text) for text in page.items]
            following = page.next
            if following is None:
                break
    final.inboxes[reader.id] = shown
    counts = await life.services.inbox.counts(reader.number)
    final.counts[reader.id] = (counts.unseen, counts.unread)


def _shown(text: bytes) -> ShownItem:
    item = msgspec.json.decode(text)
    return ShownItem(item["id"], item["title"], item["workflow"], item["body"], flags_of(item))


def flags_of(item: dict[str, Any]) -> frozenset[str]:
    """Return which times of its state an item has."""
    names = ("seen_at", "read_at", "archived_at", "acknowledged_at", "received_at")
    return frozenset(name for name in names if item.get(name))


def _deliveries(final: Final) -> list[bytes]:
    return sorted({each.delivery for each in planned(final)})


def _carried(final: Final) -> list[bytes]:
    planned_ = {each.delivery for each in decided(final) if each.decision.channel == CHANNEL}
    handed = {place.record.delivery for place in final.handoffs}
    # A replay that is not sent is in no hand-off, and a plan does not name its generation.
    again = {next_generation(key) for key in handed if generation_of(key) < GENERATIONS_MAX}
    return sorted(planned_ | handed | again)

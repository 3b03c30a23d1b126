"""Reads of the log by place and by time, on which lists and the audit rest."""

from __future__ import annotations

from tests.app.test_audit import event
from tests.app.town import BEGIN_MS, Town
from tocsin.domain.records import Event

TOPIC = "events.transactional"


async def test_single_records_are_picked_from_their_chunks(town: Town) -> None:
    keys = await town.send(*(event(n, recipients=["ana"]) for n in range(50)))
    log = town.services.storage.log
    (partition,) = [p for p in range(log.partitions) if log.end(TOPIC, p)]
    places = [(TOPIC, partition, at) for at in (49, 0, 7, 50, 1_000)]

    found = await log.pick([*places, ("no.such.topic", 0, 0)])

    events = {place[2]: each.key for place, each in found.items() if isinstance(each, Event)}
    assert events == {at: keys[at] for at in (0, 7, 49)}
    assert await log.pick([]) == {}


async def test_spans_have_two_edges(town: Town) -> None:
    for n in range(3):
        town.clock.advance(BEGIN_MS + 1_000 * n)
        await town.send(event(n, recipients=["ana"]))
    log = town.services.storage.log
    (partition,) = [p for p in range(log.partitions) if log.end(TOPIC, p)]

    async def spans(since_ms: int, until_ms: int | None = None) -> list[tuple[int, int]]:
        until = None if until_ms is None else BEGIN_MS + until_ms
        return list(await log.spans(TOPIC, partition, BEGIN_MS + since_ms, until))

    assert await spans(0) == [(0, 1), (1, 2), (2, 3)]
    assert await spans(1_000) == [(1, 2), (2, 3)]
    assert await spans(0, 1_000) == [(0, 1)]
    assert await spans(1_000, 1_001) == [(1, 2)]

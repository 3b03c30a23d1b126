"""Retention: what is past goes, what is open stays, and what is left is told truly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec
import pytest

from tests.app.town import BEGIN_MS, LAYOUTS, Town, opened
from tocsin.app.cancels import Cancel, KeptCancels
from tocsin.app.inbox import Reader
from tocsin.app.keeping.keeper import Keeper
from tocsin.domain.case import ChannelFacts
from tocsin.domain.ids import accepted_ms, event_key
from tocsin.domain.instants import show_instant
from tocsin.domain.preferences import Preferences
from tocsin.errors import NotFound
from tocsin.wiring.keeping import build_keeper

DAY_MS = 86_400_000

WELCOME = {
    "key": "welcome",
    "on": ["welcome"],
    "category": "news",
    "lane": "bulk",
    "steps": [{"channel": "inbox", "title": "Hello", "body": "{{ data.word }}"}],
}


@dataclass
class Kept:
    """A town with a keeper that nobody has to wait for."""

    town: Town
    folder: Path
    layout: str

    def keeper(self, crash: str | None = None) -> Keeper:
        def end(point: str) -> None:
            if point == crash:
                raise Killed(point)

        services = self.town.services
        return build_keeper(
            services.config, services.storage, services.stores, self.town.clock, _at_once, end
        )

    def advance(self, days: float) -> None:
        self.town.clock.advance(self.town.clock.now_ms() + int(days * DAY_MS))

    async def events(self) -> int:
        return len(await self.town.records("events.bulk"))


class Killed(Exception):
    """Stands for a process that ends here."""


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture(params=LAYOUTS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    layout = cast(str, request.param)
    async with opened(tmp_path, layout) as town:
        await town.publish(WELCOME)
        town.start()
        yield Kept(town, tmp_path, layout)


async def _send(site: Kept, recipient: str, word: str = "hi") -> bytes:
    (key,) = await site.town.send(
        {"type": "welcome", "recipients": [recipient], "data": {"word": word}}
    )
    await site.town.routed()
    return key


async def _number(site: Kept, id: str) -> int:
    return (await site.town.services.stores.recipients.by_id([id]))[id].number


async def test_nothing_goes_before_its_time(site: Kept) -> None:
    await _send(site, "ana")
    site.advance(89.9)
    await site.keeper().once()
    assert await site.events() == 1
    assert len(await site.town.services.storage.inbox.items(1, before=None, limit=5)) == 1


async def test_a_hundred_days_later_all_of_it_is_gone(site: Kept) -> None:
    event = await _send(site, "ana")
    number = await _number(site, "ana")
    site.advance(100)
    keeper = site.keeper()
    await keeper.once()
    storage = site.town.services.storage
    assert await site.events() == 0
    assert await site.town.records("plans.bulk") == []
    assert await storage.inbox.items(number, before=None, limit=5) == []
    assert await storage.ledger.notifications_of(number, before_ms=None, limit=5) == []
    assert await storage.ledger.settled_counts(0, 1 << 46) == {}
    told = await site.town.services.history.explainer(event, "ana")
    assert told.outcome == "unknown_event"
    gone_at = show_instant(accepted_ms(event) + 90 * DAY_MS)
    assert f"was removed on {gone_at} or later (history is kept for 90d)" in told.sentence
    young = event_key(BEGIN_MS + 50 * DAY_MS, bytes(10))
    never = await site.town.services.history.explainer(young, "ana")
    assert never.sentence.endswith("is held here: it was never accepted.")
    assert keeper.since_ms == BEGIN_MS + 10 * DAY_MS


async def test_what_a_cancel_asked_for_ends_a_day_after_its_hold(site: Kept) -> None:
    services = site.town.services
    kept, now_ms = KeptCancels(services.stores.blobs), site.town.clock.now_ms()
    short = await kept.keep(Cancel("k", ("ana",), now_ms, now_ms + DAY_MS), services.chance)
    long = await kept.keep(Cancel("k", None, now_ms, now_ms + 3 * DAY_MS), services.chance)
    site.advance(1.9)
    await site.keeper().once()
    assert (await kept.get(short)).recipients == ("ana",)
    site.advance(0.2)
    keeper = site.keeper()
    await keeper.once()
    assert keeper.removed[kept.name] == 1
    with pytest.raises(NotFound):
        await kept.get(short)
    assert (await kept.get(long)).key == "k"


async def test_what_comes_after_is_found_by_positions_that_go_on(site: Kept) -> None:
    await _send(site, "ana")
    site.advance(100)
    await site.keeper().once()
    event = await _send(site, "ana", "again")
    log = site.town.services.storage.log
    assert log.end("events.bulk", 0) == 2
    batch = await log.read("events.bulk", 0, 0, records_max=10)
    assert (batch.position, len(batch.records)) == (1, 1)
    told = await site.town.services.history.explainer(event, "ana")
    assert told.outcome == "sent"


async def test_a_folder_that_lost_everything_is_opened_at_its_positions(tmp_path: Path) -> None:
    for layout in LAYOUTS:
        folder = tmp_path / layout
        folder.mkdir()
        async with opened(folder, layout) as town:
            await town.publish(WELCOME)
            town.start()
            site = Kept(town, folder, layout)
            await _send(site, "ana")
            site.advance(100)
            await site.keeper().once()
        async with opened(folder, layout) as town:
            town.start()
            site = Kept(town, folder, layout)
            assert town.services.storage.log.end("events.bulk", 0) == 1
            await _send(site, "ana")
            assert len(await town.records("plans.bulk")) == 1
            assert len(await town.services.storage.inbox.items(1, before=None, limit=5)) == 1


async def test_items_end_at_their_time_even_before_they_are_removed(site: Kept) -> None:
    await _send(site, "ana")
    number = await _number(site, "ana")
    inbox = site.town.services.inbox
    assert (await inbox.counts(number)).unread == 1
    site.advance(90)
    assert (await inbox.counts(number)).unread == 0


async def test_a_cursor_from_before_the_oldest_change_reads_anew(site: Kept) -> None:
    await _send(site, "ana")
    number = await _number(site, "ana")
    storage, desk = site.town.services.storage, site.town.services.inbox
    vector = storage.inbox.ends(number)
    (item,) = await storage.inbox.items(number, before=None, limit=1)
    await desk.change(Reader(number, "ana"), "read", [item.key])
    await site.town.followed()
    later = storage.inbox.ends(number)
    missed = await storage.inbox.missed(number, vector, limit=10)
    assert missed is not None
    assert len(missed.changes) == 1
    site.advance(8)
    await site.keeper().once()
    assert await storage.inbox.missed(number, vector, limit=10) is None
    assert await storage.inbox.missed(number, later, limit=10) is not None
    # What was done with an item lives as long as the item.
    (item,) = await storage.inbox.items(number, before=None, limit=1)
    assert item.state.read_ms is not None


CHANNELS = {
    "inbox": ChannelFacts(configured=True, interrupts=True, needs_address=False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_what_a_held_run_needs_stays_until_it_has_settled_long_ago(
    tmp_path: Path, layout: str
) -> None:
    async with opened(tmp_path, layout, CHANNELS) as town:
        await town.publish({**WELCOME, "lane": "bulk"})
        site = Kept(town, tmp_path, layout)
        town.start()
        await _send(site, "bob")
        stores = town.services.stores
        (bob,) = (await stores.recipients.by_id(["bob"])).values()
        held_ms = BEGIN_MS + 120 * DAY_MS
        calm = Preferences(do_not_disturb_until_ms=held_ms)
        await stores.recipients.put(
            [msgspec.structs.replace(bob, version=bob.version + 1, preferences=calm)]
        )
        event = await _send(site, "bob", "later")
        assert await stores.timers.next_due_ms() == held_ms
        site.advance(110)
        await site.keeper().once()
        assert await site.events() >= 1
        told = await town.services.history.explainer(event, "bob")
        assert told.outcome == "deferred"
        site.advance(10)
        while await stores.timers.next_due_ms() is not None:  # noqa: ASYNC110  # a store tells nobody
            await asyncio.sleep(0)
        await town.routed()
        told = await town.services.history.explainer(event, "bob")
        assert told.outcome == "sent"
        # It counts from the end of the wait, not from the event.
        site.advance(80)
        await site.keeper().once()
        assert (await town.services.history.explainer(event, "bob")).outcome == "sent"
        site.advance(11)
        await site.keeper().once()
        assert (await town.services.history.explainer(event, "bob")).outcome == "unknown_event"


async def test_what_no_reader_has_handled_stays(site: Kept) -> None:
    await _send(site, "ana")
    await site.town.stop()
    await site.town.send({"type": "welcome", "recipients": ["eve"], "data": {"word": "x"}})
    site.advance(100)
    await site.keeper().once()
    site.town.start()
    await site.town.routed()
    number = await _number(site, "eve")
    assert len(await site.town.services.storage.inbox.items(number, before=None, limit=5)) == 1


async def test_large_payloads_go_with_their_events(site: Kept) -> None:
    await _send(site, "ana", "long " * 20_000)
    (blob,) = (site.folder / "blobs").glob("data-*")
    site.advance(89)
    await site.keeper().once()
    assert blob.exists()
    site.advance(2)
    await site.keeper().once()
    assert not blob.exists()


async def test_the_audit_looks_no_further_back_than_everything_is_complete(site: Kept) -> None:
    await _send(site, "ana")
    site.advance(60)
    await _send(site, "bob")
    site.advance(40)
    await site.keeper().once()
    result = await site.town.services.history.auditor(0)
    assert result.violations == 0, result


@pytest.mark.parametrize("point", ["kept-said", "kept-trimmed", "kept-forgot"])
@pytest.mark.parametrize("layout", LAYOUTS)
async def test_killed_at_any_point_it_begins_anew(tmp_path: Path, layout: str, point: str) -> None:
    async with opened(tmp_path, layout) as town:
        await town.publish(WELCOME)
        town.start()
        site = Kept(town, tmp_path, layout)
        await _send(site, "ana")
        site.advance(60)
        kept = await _send(site, "bob")
        site.advance(40)
        now_ms = town.clock.now_ms()
        with pytest.raises(Killed):
            await site.keeper(point).once()
    async with opened(tmp_path, layout) as town:
        town.clock.advance(now_ms)
        town.start()
        site = Kept(town, tmp_path, layout)
        assert (await town.services.history.auditor(0)).violations == 0
        await site.keeper().once()
        assert await site.events() == 1
        assert (await town.services.history.explainer(kept, "bob")).outcome == "sent"

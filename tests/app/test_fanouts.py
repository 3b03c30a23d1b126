"""Fan-outs: everybody once, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.app.sending_site import (
    ALL_DAY_BUT_EVENING,
    HOUR_MS,
    NOON_MS,
    Abandoned,
    SendingSite,
    inbox_and_push,
)
from tocsin.app.callers import LOCAL
from tocsin.app.fanout_desk import FanoutDesk
from tocsin.app.inbox import Filter, Reader
from tocsin.app.trail import Notes
from tocsin.domain.preferences import Choice, Preferences
from tocsin.domain.recipient import Recipient
from tocsin.errors import Conflict
from tocsin.ports.log import Output, Step
from tocsin.ports.state import Fanout

OPTED_OUT = Preferences(categories={"general": Choice(on=False)})


@pytest.fixture(params=["joint", "split"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SendingSite]:
    made = SendingSite(tmp_path, request.param, fanout_threshold=10, chunk_recipients_max=100)
    await made.open()
    await made.publish(inbox_and_push("sale", audience={"everyone": True}))
    yield made
    await made.close()


async def test_everybody_is_decided_once_on_each_channel(site: SendingSite) -> None:
    fine = await site.people(230)
    out = await site.people(20, OPTED_OUT)
    site.start()
    event = await site.send(type="sale", data={"what": "cheap"})
    await site.fanned_out(event)
    assert await site.handed(event) == {one.number: 1 for one in fine}
    assert await site.settled() == {
        ("bulk", "inbox", "sent"): len(fine),
        ("bulk", "inbox", "suppressed"): len(out),
        ("bulk", "push", "suppressed"): len(out),
    }
    items = await site.services.storage.inbox.items(fine[7].number, before=None, limit=5)
    assert [item.category for item in items] == ["general"]
    assert not await site.services.storage.inbox.items(out[0].number, before=None, limit=5)


async def test_who_is_quiet_gets_push_in_the_evening_and_the_inbox_at_once(
    site: SendingSite,
) -> None:
    fine = await site.people(30)
    quiet = await site.people(20, Preferences(quiet_hours=(ALL_DAY_BUT_EVENING,)))
    site.start()
    event = await site.send(type="sale", data={"what": "cheap"})
    await site.fanned_out(event)
    assert await site.handed(event) == {one.number: 1 for one in fine}
    assert (await site.settled())["bulk", "inbox", "sent"] == 50
    site.clock.advance(NOON_MS + 8 * HOUR_MS)

    async def all_handed() -> bool:
        return len(await site.handed(event)) == 50

    await site.until("released", all_handed)
    assert await site.handed(event) == {one.number: 1 for one in (*fine, *quiet)}


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_crash_between_any_two_awaits_loses_nobody_and_repeats_nobody(
    site: SendingSite,
) -> None:
    fine = await site.people(150)
    quiet = await site.people(15, Preferences(quiet_hours=(ALL_DAY_BUT_EVENING,)))
    at, crashes = 0, 0
    crashed = True
    while crashed:
        site.follow()
        event = await site.send(type="sale", data={"what": "cheap"})
        await site.routed()
        row = (await site.services.stores.fanouts.of_event(event))[0]
        crashed = await Abandoned(_until_done(site, row), at)
        crashes += crashed
        await site.reopen()
        site.start()
        await site.fanned_out(event)
        assert set((await site.chunks(event)).values()) == {1}, at
        assert await site.handed(event) == {one.number: 1 for one in fine}, at
        waiting = await site.services.stores.timers.due(NOON_MS + 9 * HOUR_MS, 10_000)
        mine = [each for each in waiting if each.about[:10] == event[:10]]
        assert len(mine) == len(quiet), at
        await site.reopen()
        # An event of its own time: what lies on the log of the others is not looked through.
        site.clock.advance(site.clock.now_ms() + 1_000)
        at += 1
    assert crashes > 10
    site.start()
    assert (await site.settled())["bulk", "inbox", "sent"] == at * (len(fine) + len(quiet))


async def _until_done(site: SendingSite, row: Fanout) -> None:
    while await site.services.fanouts._turn(row):
        continue


async def test_a_chunk_that_comes_twice_counts_and_shows_once(site: SendingSite) -> None:
    fine = await site.people(30)
    site.start()
    event = await site.send(type="sale", data={"what": "cheap"})
    await site.fanned_out(event)
    before = await site.settled()
    log = site.services.storage.log
    again = await log.read("inbox.broadcasts", 0, 0, records_max=10)
    outputs = [Output("inbox.broadcasts", 0, list(again.records))]  # type: ignore[arg-type]  # nothing is poison
    await log.commit(Step((), outputs), site.services.follow)
    assert await site.settled() == before
    items = await site.services.storage.inbox.items(fine[0].number, before=None, limit=5)
    assert len(items) == 1


def _desk(site: SendingSite) -> FanoutDesk:
    services = site.services
    notes = Notes(services.stores.trail, site.clock)
    log, fanouts = services.storage.log, services.stores.fanouts
    return FanoutDesk(log, fanouts, services.fanouts, notes, site.clock)


async def test_nothing_is_decided_after_a_pause_is_answered(site: SendingSite) -> None:
    await site.people(500)
    site.follow()
    event = await site.send(type="sale", data={"what": "cheap"})
    await site.routed()
    row = (await site.services.stores.fanouts.of_event(event))[0]
    runner = site.services.fanouts
    assert await runner._turn(row)
    desk = _desk(site)
    await desk.change(LOCAL, row.key, "pause", "too loud")
    before = await desk.report(row.key)
    assert before.fanout.state == "paused"
    assert before.fanout.decided == 500  # the inbox, no push yet
    assert before.by_reason == {"inbox": {"send": 500}}
    assert before.deliveries == 1_000
    assert not await runner._turn(row)
    assert (await desk.report(row.key)).fanout.decided == 500
    site.start()
    await desk.change(LOCAL, row.key, "resume", "fine again")
    await site.fanned_out(event)
    assert (await desk.report(row.key)).by_reason == {"inbox": {"send": 500}, "push": {"send": 500}}
    with pytest.raises(Conflict):
        await desk.change(LOCAL, row.key, "abort", "too late")
    changes = [change async for change in site.services.stores.trail.entries(0)]
    assert [(c.action, c.detail) for c in changes] == [
        ("fanout.pause", "too loud"),
        ("fanout.resume", "fine again"),
    ]


async def test_a_fanout_is_stopped_without_a_word(site: SendingSite) -> None:
    await site.people(30)
    site.follow()
    event = await site.send(type="sale", data={"what": "cheap"})
    await site.routed()
    (row,) = await site.services.stores.fanouts.of_event(event)
    path = f"/v1/fanouts/fan_{row.key.hex()}"
    async with await site.client("operator") as client:
        for action, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
            answer = await client.post(f"{path}/{action}")
            assert answer.status_code == 200, answer.text
            assert (answer.json()["state"], answer.json()["reason"]) == (state, "")
        wrong = await client.post(f"{path}/pause", json={"reson": "typo"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")
    told = await site.services.history.explainer(event, "p1")
    assert told.sentence.endswith("its fan-out was aborted before it came there.")


async def test_an_aborted_one_stays_where_it_is(site: SendingSite) -> None:
    await site.people(500)
    site.follow()
    event = await site.send(type="sale", data={"what": "cheap"})
    await site.routed()
    row = (await site.services.stores.fanouts.of_event(event))[0]
    assert await site.services.fanouts._turn(row)
    await _desk(site).change(LOCAL, row.key, "abort", "wrong price")
    assert not await site.services.fanouts._turn(row)
    assert not await site.handed(event)


async def test_who_is_named_is_excluded_and_has_her_own_data(site: SendingSite) -> None:
    people = await site.people(20)
    await site.publish(inbox_and_push("note"))
    site.start()
    named = [{"id": one.id, "data": {"what": one.id}} for one in people[:3]]
    event = await site.send(
        type="note",
        data={"what": "all"},
        recipients=[*named, {"everyone": True}, "new"],
        exclude=["p5"],
    )
    await site.fanned_out(event)
    stores = site.services.stores
    created = (await stores.recipients.by_id(["new"]))["new"]
    handed = await site.handed(event)
    assert handed == {one.number: 1 for one in (*people, created) if one.id != "p5"}
    own = await site.services.storage.inbox.items(people[1].number, before=None, limit=5)
    assert [b"It is p1" in item.body for item in own] == [True]


async def test_a_text_that_fails_for_one_reader_fails_nobody_else(site: SendingSite) -> None:
    tags = ('["a", "b"]', "7")
    people = [
        Recipient(0, f"t{n}", attributes=b'{"tags": %b}' % tag.encode())
        for n, tag in enumerate(tags)
    ]
    fine, broken = await site.services.stores.recipients.put(people)
    await site.people(20)
    title = "{% for tag in recipient.attributes.tags %}{{ tag }}{% endfor %}"
    step = {"channel": "inbox", "title": title, "body": "x"}
    await site.publish({"key": "tags", "lane": "bulk", "steps": [step]})
    await site.publish(inbox_and_push("note"))
    site.start()
    event = await site.send(type="tags", recipients={"everyone": True})
    await site.fanned_out(event)
    single = await site.send(type="note", recipients=["t1"], data={"what": "it"})
    await site.routed()
    assert single
    await site.settled()

    shown = {}
    for one in (fine, broken):
        page = await site.services.inbox.page(
            Reader(one.number, one.id), Filter(), after=None, limit=10
        )
        shown[one.id] = sorted(msgspec.json.decode(item)["title"] for item in page.items)
        assert page.counts.unread == len(page.items)
    assert shown == {"t0": ["ab"], "t1": ["Hello", "tags"]}


@pytest.mark.slow
async def test_200_000_resume_where_they_were(tmp_path: Path) -> None:
    site = SendingSite(tmp_path, "joint")
    await site.open()
    await site.publish({**inbox_and_push("sale", audience={"everyone": True})})
    await site.people(200_000)
    site.follow()
    event = await site.send(type="sale", data={"what": "cheap"})
    await site.routed()
    row = (await site.services.stores.fanouts.of_event(event))[0]
    for _ in range(30):
        assert await site.services.fanouts._turn(row)
    await site.reopen()
    site.start()
    await site.fanned_out(event)
    assert set((await site.chunks(event)).values()) == {1}
    handed = await site.handed(event)
    assert len(handed) == 200_000
    assert set(handed.values()) == {1}
    await site.close()

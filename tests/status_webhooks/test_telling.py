"""What endpoints are told, in which order, and what becomes of it when nobody listens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.delivering.site import BEGIN_MS, Vendor
from tests.status_webhooks.place import AT_ONCE, BOTH, INBOX, Place, body_of, place, short
from tests.support.receiver import CUT, HANG, Receiver, answer, receiver
from tocsin.app.inbox import Reader
from tocsin.app.status_webhooks.reading import TOPICS
from tocsin.domain.ids import show_event
from tocsin.ports.simulator import Dial
from tocsin.ports.state import Change

DAY_MS = 86_400_000


async def test_every_delivery_is_told_with_all_that_names_it(here: Place, there: Receiver) -> None:
    await here.put("crm", there)
    await here.site.person("ana", "ana-pager")
    event = await here.site.send("ana", 1)
    told = await here.until_told("crm", there, 3)
    assert sorted(short(told)) == [
        ("chat", "sent", "accepted"),
        ("email", "suppressed", "channel_not_configured"),
        ("inbox", "sent", "send"),
    ]
    for each in told:
        assert (each["event"], each["workflow"], each["recipient"]) == (
            show_event(event),
            "alarm",
            "ana",
        )
        assert each["notification"][4:] == each["delivery"][4:36]
        assert each["lane"] == "transactional"
        assert each["at"].startswith("2030-03-17T")
    assert len({each["id"] for each in told}) == 3
    (page,) = [each for each in told if each["channel"] == "chat"]
    assert (page["provider"], page["attempt"]) == ("pager", 1)


async def test_a_receipt_is_told_after_what_it_refines(here: Place, there: Receiver) -> None:
    await here.put("crm", there, channels=["inbox"])
    await here.site.publish(INBOX)
    ana = await here.site.person("ana")
    for n in range(5):
        await here.site.send("ana", n)
    await here.until_told("crm", there, 5)
    services = here.site.services
    shown: list[bytes] = []

    async def all_shown() -> bool:
        # A view may be behind the log that was told from.
        items = await services.storage.inbox.items(ana.number, before=None, limit=10)
        shown[:] = [each.key for each in items]
        return len(shown) == 5

    await here.site.until(all_shown)
    await services.inbox.change(Reader(ana.number, "ana"), "read", shown)
    told = await here.until_told("crm", there, 10)
    for delivery in {each["delivery"] for each in told}:
        states = [each["state"] for each in told if each["delivery"] == delivery]
        assert states == ["sent", "delivered"]


async def test_an_endpoint_is_told_of_what_it_chose(here: Place, there: Receiver) -> None:
    await here.site.publish({**INBOX, "key": "other", "on": ["alarm"]})
    await here.put("failed", there, states=["suppressed"])
    await here.put("other", there, workflows=["other"])
    await here.put("chat", there, channels=["chat"], workflows=["alarm"])
    await here.put("all", there)
    await here.site.person("ana", "ana-pager")
    await here.site.send("ana", 1)
    await here.until_told("all", there, 4)
    await here.until_told("failed", there, 1)
    await here.until_told("other", there, 1)
    await here.until_told("chat", there, 1)
    assert {each["state"] for each in here.told("failed", there)} == {"suppressed"}
    assert {each["workflow"] for each in here.told("other", there)} == {"other"}
    assert short(here.told("chat", there)) == [("chat", "sent", "accepted")]


async def test_one_that_is_new_is_told_from_now_on(here: Place, there: Receiver) -> None:
    await here.put("first", there)
    await here.site.person("ana", "ana-pager")
    await here.site.send("ana", 1)
    await here.until_told("first", there, 3)
    await here.put("second", there)
    await here.site.send("ana", 2)
    await here.until_told("first", there, 6)
    await here.until_told("second", there, 3)
    last = {each["id"] for each in here.told("first", there)[3:]}
    assert {each["id"] for each in here.told("second", there)} == last


async def test_what_was_not_taken_is_told_again_under_the_same_id(
    here: Place, there: Receiver
) -> None:
    there.say([answer(500), CUT, answer(302, "Location: /"), answer(404)])
    await here.put("crm", there)
    await here.site.person("ana", "ana-pager")
    await here.site.send("ana", 1)
    await _passing(here, 100, lambda: len(there.seen) >= 5)
    await here.until_told("crm", there, 3)
    first, *rest = there.seen
    tries = [each for each in rest if each.headers["webhook-id"] == first.headers["webhook-id"]]
    assert len(tries) == 4
    assert {each.body for each in tries} == {first.body}


async def _passing(here: Place, ms: int, condition: Callable[[], bool]) -> None:
    """Let time pass, so much at each look, until *condition* holds."""

    async def passed() -> bool:
        await here.site.pass_time(ms)
        return condition()

    await here.site.until(passed)


async def test_one_that_is_down_delays_itself_alone(here: Place, there: Receiver) -> None:
    async with receiver() as down:
        down.say([HANG])
        await here.put("down", down)
        await here.put("up", there)
        await here.site.person("ana", "ana-pager")
        for n in range(20):
            await here.site.send("ana", n)
        told = await here.until_told("up", there, 60)
        assert len({each["id"] for each in told}) == 60
        assert len(down.seen) == 1


async def test_after_a_crash_the_same_is_told_under_the_same_id_and_nothing_is_lost(
    tmp_path: Path, layout: str, vendor: Vendor, there: Receiver
) -> None:
    async with place(tmp_path, layout, vendor) as first:
        await first.site.publish(BOTH)
        there.say([HANG])
        await first.put("crm", there)
        await first.site.person("ana", "ana-pager")
        for n in range(10):
            await first.site.send("ana", n)
        await there.until(lambda: len(there.seen) == 1)
        await first.site.until(lambda: _taken(first, 10))
        secrets = first.secrets
    async with place(tmp_path, layout, vendor) as second:
        second.secrets = secrets
        told = await second.until_told(
            "crm", there, 30 + len(body_of(there.seen[0])["data"]["statuses"])
        )
    assert there.seen[1].headers["webhook-id"] == there.seen[0].headers["webhook-id"]
    assert there.seen[1].body == there.seen[0].body
    again = len(body_of(there.seen[0])["data"]["statuses"])
    assert len({each["id"] for each in told}) == len(told) - again == 30


async def _taken(here: Place, count: int) -> bool:
    return len(here.site.simulator.taken) >= count


async def test_a_paused_one_is_told_later(here: Place, there: Receiver) -> None:
    await here.put("crm", there, paused=True)
    await here.put("probe", there)
    await here.site.person("ana", "ana-pager")
    await here.site.send("ana", 1)
    await here.until_told("probe", there, 3)
    assert here.told("crm", there) == []
    shown = await here.put("crm", there)
    assert (shown.json()["state"], "secret" in shown.json()) == ("active", False)
    await here.until_told("crm", there, 3)


async def _trail(here: Place) -> list[Change]:
    return [each async for each in here.site.services.stores.trail.entries(0)]


async def test_one_that_fails_for_days_is_given_up_with_a_note(
    here: Place, there: Receiver
) -> None:
    there.say([answer(500)] * 1_000)
    await here.put("crm", there)
    await here.site.person("ana", "ana-pager")
    await here.site.send("ana", 1)

    tellers = here.site.services.status_webhooks
    assert tellers is not None
    await _passing(here, 600_000, lambda: tellers.calls["given up"] > 0)
    assert here.site.clock.now_ms() >= BEGIN_MS + 3 * DAY_MS
    assert len(there.seen) > 1
    shown = await here.client.get("/v1/status-webhooks/crm")
    assert (shown.json()["state"], shown.json()["disabled_at"] is None) == ("disabled", False)
    (note,) = [each for each in await _trail(here) if each.action == "status_webhook.disable"]
    assert (note.by, note.target, note.detail) == ("system", "status_webhook/crm", "500")

    there.say([])
    await here.put("crm", there)
    before = len(there.seen)
    await there.until(lambda: len(there.seen) > before)
    assert await here.until_told("crm", there, 3)


async def test_one_that_says_it_is_gone_is_given_up_at_once(here: Place, there: Receiver) -> None:
    there.say([answer(410)])
    await here.put("crm", there)
    await here.site.person("ana", "ana-pager")
    await here.site.send("ana", 1)

    async def given_up() -> bool:
        return any(each.action == "status_webhook.disable" for each in await _trail(here))

    await here.site.until(given_up)
    assert here.site.services.status_webhooks is not None
    assert here.site.services.status_webhooks.calls["failed"] == 1


async def test_one_that_is_removed_is_told_no_more(here: Place, there: Receiver) -> None:
    await here.put("crm", there)
    await here.put("probe", there)
    assert (await here.client.delete("/v1/status-webhooks/crm")).status_code == 204
    await here.site.person("ana", "ana-pager")
    await here.site.send("ana", 1)
    await here.until_told("probe", there, 3)
    assert here.told("crm", there) == []
    assert (await here.client.delete("/v1/status-webhooks/crm")).status_code == 404


async def test_a_fan_out_is_told_person_by_person(
    tmp_path: Path, layout: str, vendor: Vendor, there: Receiver
) -> None:
    people = 1_500
    async with place(tmp_path, layout, vendor) as here:
        await here.site.publish(INBOX)
        await here.put("crm", there)
        names = [f"p{n}" for n in range(people)]
        await here.site.send("all", 1, recipients=names)
        told = await here.until_told("crm", there, people)
    assert len(told) == people
    assert {each["recipient"] for each in told} == set(names)
    assert {each["workflow"] for each in told} == {"alarm"}
    assert len({each["delivery"] for each in told}) == people
    most = max(len(body_of(seen)["data"]["statuses"]) for seen in there.seen)
    assert most == AT_ONCE.batch_max


async def test_a_failure_is_told_with_what_the_provider_said(here: Place, there: Receiver) -> None:
    here.site.simulator.dial([Dial.REFUSE])
    await here.put("crm", there, channels=["chat"])
    await here.site.person("ana", "ana-pager")
    await here.site.send("ana", 1)
    (told,) = await here.until_told("crm", there, 1)
    assert (told["state"], told["reason"], told["detail"]) == ("failed", "blocked", "blocked")


async def test_the_inside_is_refused_and_so_is_what_no_status_is(here: Place) -> None:
    async def refused(**body: object) -> list[str]:
        said = await here.client.put("/v1/status-webhooks/crm", json=body)
        assert said.status_code in {400, 422}, said.text
        return [each["pointer"] for each in said.json().get("errors", [])]

    url = "https://shop.example/statuses"
    for bad in ("http://localhost/x", "http://10.0.0.1/", "ftp://shop.example/", "nonsense"):
        await refused(url=bad)
    assert await refused(url=url, states=["sending"]) == ["/states"]
    assert await refused(url=url, channels=["pigeon"]) == ["/channels"]
    await refused(url=url, secret="too-short")
    assert (await here.client.get("/v1/status-webhooks")).json() == {"items": []}


async def test_what_was_removed_meanwhile_is_named(here: Place, there: Receiver) -> None:
    await here.put("crm", there, paused=True)
    await here.put("probe", there)
    await here.site.person("ana", "ana-pager")
    for n in range(7):
        await here.site.send("ana", n)
    await here.until_told("probe", there, 21)
    await here.site.pass_time(DAY_MS)
    log = here.site.services.storage.log
    gone = 0
    for topic in TOPICS:
        end = log.end(topic, 0)
        while found := await log.keeping.removable(
            topic, 0, before_ms=BEGIN_MS + DAY_MS, below=end, bytes_max=1_000_000
        ):
            await log.keeping.remove(found)
            gone += found.records
    await here.put("crm", there)
    await here.site.send("ana", 8)
    told = await here.until_told("crm", there, 3)
    assert len(told) == 3
    bodies = [here.read("crm", each) for each in there.seen if "/crm" in each.line]
    missed = [body["data"]["missed"]["records"] for body in bodies if "missed" in body["data"]]
    assert missed == [gone]
    assert gone >= 21


async def test_a_secret_is_shown_once_and_sealed(here: Place, there: Receiver) -> None:
    made = await here.put("crm", there)
    secret = made.json()["secret"]
    shown = await here.client.get("/v1/status-webhooks")
    assert secret not in shown.text
    (row,) = await here.site.services.stores.status_webhooks.all()
    assert secret.encode() not in msgspec.msgpack.encode(row)
    assert secret not in repr(row)


async def test_there_is_an_end_to_how_many_there_are(
    tmp_path: Path, vendor: Vendor, there: Receiver
) -> None:
    one = msgspec.structs.replace(AT_ONCE, webhooks_max=1)
    async with place(tmp_path, "joint", vendor, one) as here:
        await here.put("a", there)
        await here.put("a", there)
        body = {"url": there.url}
        assert (await here.client.put("/v1/status-webhooks/b", json=body)).status_code == 409

"""What failed for good becomes a dead letter, and a new delivery when somebody asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.delivering.operating import client, driving
from tests.delivering.site import WORKFLOW, Site, Vendor, delivery_of, process
from tocsin.app.dead_letters.replaying import ReplayStep
from tocsin.domain.dead_letters import DeadLetter, LetterState, Wanted
from tocsin.domain.ids import event_key, next_generation, show_delivery, show_event
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Event
from tocsin.ports.log import Output
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Dial
from tocsin.ports.state import Suppression


async def letters(site: Site, number: int, **wanted: Any) -> list[DeadLetter]:
    """Return the dead letters once there are so many, oldest first."""
    found: list[DeadLetter] = []

    async def there() -> bool:
        found[:] = await site.services.stores.dead_letters.first(Wanted(**wanted), 0, 999)
        return len(found) == number and all(each.workflow or not each.channel for each in found)

    await site.until(there)
    return found


async def failed(site: Site, ana: Recipient, n: int = 1) -> tuple[bytes, DeadLetter]:
    """Send something that the vendor refuses; return the event and its dead letter."""
    site.simulator.dial([Dial.REFUSE])
    event = await site.send(ana.id, n)
    await site.until_settled(event, ana, "failed")
    (letter,) = await letters(site, 1)
    return event, letter


async def until_ends(site: Site, delivery: bytes, state: str) -> str:
    """Return the reason by which a delivery has come to *state*."""
    reason = ""

    async def ended() -> bool:
        nonlocal reason
        found = (await site.services.storage.ledger.settled([delivery])).get(delivery)
        reason = found.reason if found is not None else ""
        return found is not None and found.state == state

    await site.until(ended)
    return reason


async def until_balanced(site: Site, **states: int) -> None:
    """Return when the audit counts exactly *states*, and then it balances."""

    async def counted() -> bool:
        audit = await site.services.history.auditor(0)
        line = audit.deliveries.get("transactional", {}).get("chat")
        planned = sum(states.values())
        named = all(getattr(line, name, None) == n for name, n in states.items())
        return named and line is not None and line.planned == planned

    await site.until(counted)
    audit = await site.services.history.auditor(0)
    assert audit.balanced, audit.missing


async def ask(
    http: httpx2.AsyncClient, letter: DeadLetter, what: str = "replay"
) -> httpx2.Response:
    """Ask to replay or discard a letter, and return the answer."""
    path = f"/v1/dead-letters/{letter.id}/{what}"
    if what == "discard":
        return await http.post(path, json={"reason": "why"})
    return await http.post(path)


async def replayed(http: httpx2.AsyncClient, letter: DeadLetter) -> bytes:
    """Replay a letter; return the new delivery's key."""
    answer = await http.post(f"/v1/dead-letters/{letter.id}/replay")
    assert answer.status_code == 202, answer.text
    made = next_generation(letter.key)
    assert answer.json() == {"delivery": show_delivery(made)}
    return made


async def test_a_refusal_becomes_a_dead_letter_with_everything(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    event, letter = await failed(site, ana)
    assert (letter.lane, letter.channel, letter.workflow) == ("transactional", "chat", "alarm")
    assert (letter.provider, letter.reason, letter.recipient) == ("pager", "blocked", ana.number)
    async with client(driving(site)) as http:
        (listed,) = (await http.get("/v1/dead-letters?channel=chat")).json()["items"]
        assert (listed["id"], listed["recipient"], listed["state"]) == (letter.id, "ana", "waiting")
        shown = (await http.get(f"/v1/dead-letters/{letter.id}")).json()
    assert shown["event"]["id"] == show_event(event)
    assert shown["event"]["data"] == {"n": 1}
    assert (shown["content"]["title"], shown["content"]["body"]) == ("Alarm", "1")
    assert shown["address"] == "ana-pager"
    assert [each["kind"] for each in shown["attempts"]] == ["attempt", "outcome"]
    assert shown["attempts"][1]["reason"] == "blocked"
    assert shown["version"] == 1


async def test_who_may_not_write_addresses_sees_a_masked_one(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    _, letter = await failed(site, ana)
    behind = driving(site)
    async with client(behind, "viewer") as http:
        shown = (await http.get(f"/v1/dead-letters/{letter.id}")).json()
        assert shown["address"] == "…"
        assert (await http.post(f"/v1/dead-letters/{letter.id}/replay")).status_code == 403
    async with client(behind, "operator", workflows=["other"]) as http:
        assert (await ask(http, letter)).status_code == 403
        assert (await ask(http, letter, "discard")).status_code == 403
        many = {"filter": {}, "reason": "why"}
        assert (await http.post("/v1/dead-letters/discard", json=many)).status_code == 403


async def test_a_replay_is_a_new_delivery_and_the_old_one_stays_failed(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    event, letter = await failed(site, ana)
    async with client(driving(site)) as http:
        made = await replayed(http, letter)
        assert await until_ends(site, made, "sent") == "accepted"
        assert [each.reference for each in site.simulator.taken] == [show_delivery(made)]
        assert await until_ends(site, delivery_of(event, ana), "failed") == "blocked"
        await until_balanced(site, failed=1, sent=1)
        again = await ask(http, letter)
        assert (again.status_code, again.json()["detail"]) == (
            409,
            "this dead letter does not wait any more: it is replayed",
        )
        shown = (await http.get(f"/v1/dead-letters/{letter.id}")).json()
        assert (shown["replay"], shown["by"]) == (show_delivery(made), "local")
        notes = (await http.get("/v1/notifications", params={"event": show_event(event)})).json()
        deliveries = notes["items"][0]["deliveries"]
        assert [(e["state"], e["replay_of"]) for e in deliveries] == [
            ("failed", None),
            ("sent", letter.id),
        ]
    told = (await site.services.history.explainer(event, "ana")).sentence
    assert "did not get it by chat: it failed" in told
    assert "was sent it by chat" in told
    noted = [(e.action, e.target) async for e in site.services.stores.trail.entries(0)]
    assert ("dead.replay", f"dead/{letter.id}") in noted


async def test_a_replay_that_fails_is_a_dead_letter_of_its_own(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    _, letter = await failed(site, ana)
    site.simulator.dial([Dial.REFUSE])
    async with client(driving(site)) as http:
        second = await replayed(http, letter)
        (other,) = await letters(site, 1)
        assert (other.key, other.workflow) == (second, "alarm")
        third = await replayed(http, other)
        await until_ends(site, third, "sent")
    await until_balanced(site, failed=2, sent=1)


async def test_who_opted_out_meanwhile_gets_no_replay(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    _, letter = await failed(site, ana)
    entry = Suppression("s1", ana.number, None, None, "asked", "test", site.clock.now_ms())
    await site.services.stores.suppressions.add([entry])
    async with client(driving(site)) as http:
        made = await replayed(http, letter)
    assert await until_ends(site, made, "suppressed") == "suppression_list"
    assert len(site.simulator.calls) == 1
    await until_balanced(site, failed=1, suppressed=1)


async def test_a_replay_waits_for_a_pause_like_anything_else(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    _, letter = await failed(site, ana)
    async with client(driving(site)) as http:
        body = {"workflow": "alarm", "reason": "why"}
        pause = (await http.post("/v1/pauses", json=body)).json()["id"]
        made = await replayed(http, letter)
        await until_balanced(site, failed=1, pending=1)
        await http.delete(f"/v1/pauses/{pause}")
    await until_ends(site, made, "sent")
    await until_balanced(site, failed=1, sent=1)


async def test_a_bounce_is_a_dead_letter_and_its_replay_goes_to_the_new_address(
    site: Site,
) -> None:
    ana = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, ana, "sent")
    reference = show_delivery(delivery_of(event, ana))
    callback = site.simulator.callback([reference], ReceiptState.FAILED, site.clock.now_ms())
    await site.services.delivery.callbacks.receive("pager", callback)
    (letter,) = await letters(site, 1)
    assert letter.workflow == "alarm"
    (now,) = (await site.services.stores.recipients.by_id(["ana"])).values()
    await site.readdress(now, "new-pager")
    async with client(driving(site)) as http:
        made = await replayed(http, letter)
    assert await until_ends(site, made, "suppressed") == "no_address"
    await until_balanced(site, failed=1, suppressed=1, sent=1)
    assert [each.address for each in site.simulator.taken] == ["ana-pager", "new-pager"]


async def test_some_and_all_are_replayed_in_slices(site: Site) -> None:
    await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.REFUSE] * 6)
    events = [await site.send("ana", n) for n in range(6)]
    found = await letters(site, 6)
    async with client(driving(site)) as http:
        named = [each.id for each in found[:2]]
        some = await http.post("/v1/dead-letters/replay", json={"ids": named})
        assert some.json() == {"count": 2, "more": False}
        nobody = {"filter": {"workflow": "alarm", "reason": "too_large"}}
        assert (await http.post("/v1/dead-letters/replay", json=nobody)).json()["count"] == 0
        every = {"filter": {"provider": "pager", "since": "1h"}}
        assert (await http.post("/v1/dead-letters/replay", json=every)).json()["count"] == 4
        both = {"ids": named, "filter": {}}
        assert (await http.post("/v1/dead-letters/replay", json=both)).status_code == 422
    for each in found:
        await until_ends(site, next_generation(each.key), "sent")
    await until_balanced(site, failed=6, sent=6)
    assert len(events) == len(site.simulator.taken)


async def test_what_is_discarded_is_kept_with_its_reason(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.REFUSE] * 3)
    for n in range(3):
        await site.send("ana", n)
    found = await letters(site, 3)
    assert ana.number == found[0].recipient
    async with client(driving(site)) as http:
        assert (await ask(http, found[0], "discard")).status_code == 204
        many = {"filter": {"lane": "transactional"}, "reason": "old news"}
        assert (await http.post("/v1/dead-letters/discard", json=many)).json()["count"] == 2
        assert (await http.get("/v1/dead-letters")).json()["items"] == []
        listed = (await http.get("/v1/dead-letters?state=discarded")).json()["items"]
        assert [each["why"] for each in listed] == ["old news", "old news", "why"]
        assert (await ask(http, found[0])).status_code == 409
    details = [e.detail async for e in site.services.stores.trail.entries(0) if "dead" in e.action]
    assert details == ["why", "2 lane=transactional: old news"]


async def test_pages_go_on_where_the_one_before_ended(site: Site) -> None:
    await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.REFUSE] * 5)
    for n in range(5):
        await site.send("ana", n)
    found = await letters(site, 5)
    async with client(driving(site)) as http:
        seen: list[str] = []
        query = {"limit": "2"}
        while True:
            page = (await http.get("/v1/dead-letters", params=query)).json()
            seen += [each["id"] for each in page["items"]]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert (await http.get("/v1/dead-letters/dlv_nonsense")).status_code == 422
    assert seen == [each.id for each in reversed(found)]


async def test_metrics_count_what_waits_and_what_was_noted(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    _, letter = await failed(site, ana)
    labels = '{channel="chat",lane="transactional",reason="blocked"}'
    async with client(driving(site)) as http:
        shown = (await http.get("/metrics")).text.splitlines()
        assert f"tocsin_dead_letters_waiting{labels} 1.0" in shown
        assert f"tocsin_dead_letters_total{labels} 1.0" in shown
        await ask(http, letter, "discard")
        after = (await http.get("/metrics")).text
        assert f"tocsin_dead_letters_waiting{labels}" not in after


@pytest.mark.parametrize("times", [1, 3])
async def test_a_crash_after_the_append_replays_once(
    tmp_path: Path, layout: str, vendor: Vendor, times: int
) -> None:
    async with process(tmp_path, layout, vendor) as site:
        await site.publish()
        site.start()
        ana = await site.person("ana", "ana-pager")
        _, letter = await failed(site, ana)
        await site.stop()
        rows, services = site.services.stores.dead_letters, site.services
        waiting, replaying = LetterState.WAITING, LetterState.REPLAYING
        now_ms = site.clock.now_ms()
        await rows.move({letter.number: 0}, waiting, replaying, by="ops", why="", now_ms=now_ms)
        for _ in range(times):
            # As if each process had died after its append and before it retired the row.
            step = ReplayStep(services.storage.log, rows, services.history.finder, site.clock)
            assert await step.replay() == 1
            back = await rows.move(
                {letter.number: 0}, LetterState.REPLAYED, replaying, now_ms=now_ms
            )
            assert back == [letter.number]
    async with process(tmp_path, layout, vendor) as site:
        site.start()
        await until_ends(site, next_generation(letter.key), "sent")
        await letters(site, 1, state=LetterState.REPLAYED)
        await until_balanced(site, failed=1, sent=1)
        assert len(vendor.simulator.taken) == 1


async def poisoned(site: Site) -> tuple[bytes, DeadLetter]:
    """Put an event on the log whose workflow nobody has published; return its dead letter."""
    now_ms = site.clock.now_ms()
    key = event_key(now_ms, bytes(10))
    event = Event(
        key,
        now_ms,
        "local",
        "test",
        "1",
        "ghost",
        bytes(16),
        b'{"n":1}',
        (("ghost", 1, 0),),
        audience=b'[{"id":"ana"}]',
    )
    await site.services.storage.log.append([Output("events.transactional", 0, [event])])
    (letter,) = await letters(site, 1)
    return key, letter


async def test_a_poison_input_is_a_letter_of_its_kind_and_is_routed_again(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    key, letter = await poisoned(site)
    assert (letter.kind, letter.reason, letter.channel) == ("input", "poison", "")
    await site.publish({**WORKFLOW, "key": "ghost"})
    async with client(driving(site)) as http:
        shown = (await http.get(f"/v1/dead-letters/{letter.id}")).json()
        assert shown["event"]["id"] == show_event(key)
        assert (await ask(http, letter)).json() == {"delivery": None}
        await site.until_settled(key, ana, "sent")
    audit = await site.services.history.auditor(0)
    assert audit.balanced, audit.missing
    line = audit.events["transactional"]
    assert (line.accepted, line.routed, line.unrouted) == (2, 1, 1)


async def test_an_input_that_is_replayed_through_a_crash_is_appended_once(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    key, letter = await poisoned(site)
    await site.publish({**WORKFLOW, "key": "ghost"})
    services, rows = site.services, site.services.stores.dead_letters
    log, now_ms = services.storage.log, site.clock.now_ms()
    mark = log.end("events.transactional", 0)
    await site.stop()
    states = (LetterState.WAITING, LetterState.REPLAYED)
    for before in states:
        await rows.move({letter.number: mark}, before, LetterState.REPLAYING, now_ms=now_ms)
        await ReplayStep(log, rows, services.history.finder, site.clock).replay()
    assert log.end("events.transactional", 0) == mark + 1
    site.start()
    await site.until_settled(key, ana, "sent")
    assert len(site.simulator.taken) == 1

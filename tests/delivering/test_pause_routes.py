"""Pausing by HTTP: what is refused, what is told, and what the trail keeps."""

from __future__ import annotations

import pytest

from tests.delivering.operating import client, driving
from tests.delivering.site import Site
from tests.delivering.test_pausing import until_parked
from tocsin.domain.ids import show_event


async def explained(site: Site, event: bytes, recipient: str = "ana") -> str:
    return (await site.services.history.explainer(event, recipient)).sentence


async def test_a_pause_is_made_listed_and_ended(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    behind = driving(site)
    async with client(behind, "operator") as http:
        made = await http.post("/v1/pauses", json={"workflow": "alarm", "reason": "too loud"})
        assert made.status_code == 201
        pause = made.json()
        assert (pause["workflow"], pause["lane"], pause["reason"]) == ("alarm", None, "too loud")
        event = await site.send("ana", 1)
        await until_parked(site, pause["id"], 1)
        (listed,) = (await http.get("/v1/pauses")).json()["items"]
        assert (listed["id"], listed["parked"]) == (pause["id"], 1)

        ended = await http.delete(f"/v1/pauses/{pause['id']}?reason=quiet+again")
        assert ended.json()["parked"] == 1
        assert ended.json()["ended_at"] is not None
        assert (await http.delete(f"/v1/pauses/{pause['id']}")).status_code == 404
        assert (await http.get("/v1/pauses")).json()["items"] == []
    await site.until_settled(event, ana, "sent")
    noted = [(e.action, e.target, e.detail) async for e in site.services.stores.trail.entries(0)]
    assert ("pause", f"pause/{pause['id']}", "workflow=alarm: too loud") in noted
    assert ("resume", f"pause/{pause['id']}", "quiet again") in noted


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"lane": "slow"}, "/lane"),
        ({"channel": "pigeon"}, "/channel"),
        ({"workflow": "nobody.knows"}, "/workflow"),
        ({"provider": "nobody"}, "/provider"),
        ({"lane": "bulk", "reason": ""}, "/reason"),
        ({}, None),
    ],
)
async def test_what_would_stop_nothing_is_refused(
    site: Site, asked: dict[str, str], pointer: str | None
) -> None:
    async with client(driving(site)) as http:
        answer = await http.post("/v1/pauses", json={"reason": "why", **asked})
        assert answer.status_code == 422
        if pointer is not None:
            assert pointer in [each["pointer"] for each in answer.json()["errors"]]
        assert (await http.get("/v1/pauses")).json()["items"] == []


async def test_who_may_not_operate_may_not_pause(site: Site) -> None:
    behind = driving(site)
    body = {"lane": "bulk", "reason": "why"}
    async with client(behind, "viewer") as http:
        assert (await http.post("/v1/pauses", json=body)).status_code == 403
        assert (await http.get("/v1/pauses")).status_code == 200
    async with client(behind, "operator") as http:
        id = (await http.post("/v1/pauses", json=body)).json()["id"]
    async with client(behind, "operator", workflows=["other"]) as http:
        assert (await http.post("/v1/pauses", json=body)).status_code == 403
        alarm = {"workflow": "alarm", "reason": "why"}
        assert (await http.post("/v1/pauses", json=alarm)).status_code == 403
        assert (await http.delete(f"/v1/pauses/{id}")).status_code == 403
    async with client(behind, "operator", lanes=["critical"]) as http:
        provider = {"provider": "pager", "reason": "why"}
        assert (await http.post("/v1/pauses", json=provider)).status_code == 403
        mine = {"lane": "critical", "provider": "pager", "reason": "why"}
        assert (await http.post("/v1/pauses", json=mine)).status_code == 201


async def test_explain_and_the_ledger_say_by_whom_and_why(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    async with client(driving(site)) as http:
        body = {"provider": "pager", "reason": "vendor is down"}
        id = (await http.post("/v1/pauses", json=body)).json()["id"]
        event = await site.send("ana", 1)
        await until_parked(site, id, 1)
        await site.until_settled(event, ana, "deferred")
        said = f"[{id} by local: vendor is down]"
        assert "has not got it by chat yet: it is paused since" in await explained(site, event)
        assert said in await explained(site, event)
        answer = await http.get("/v1/notifications", params={"event": show_event(event)})
        (note,) = answer.json()["items"]
        told = (await http.get(f"/v1/notifications/{note['id']}")).json()
        (delivery,) = told["deliveries"]
        assert (delivery["state"], delivery["reason"]) == ("deferred", "paused")
        assert told["attempts"][delivery["id"]][0]["detail"] == said.strip("[]")


@pytest.mark.parametrize(
    ("scope", "part"),
    [
        ({"workflow": "alarm"}, "has not got it by chat yet: it is paused since"),
        ({"channel": "chat"}, "has not got it by chat yet: it is paused since"),
        ({"lane": "transactional"}, "not routed yet: the lane transactional is paused"),
    ],
)
async def test_explain_knows_every_kind_of_pause(
    site: Site, scope: dict[str, str], part: str
) -> None:
    await site.person("ana", "ana-pager")
    async with client(driving(site)) as http:
        await http.post("/v1/pauses", json={**scope, "reason": "too loud"})
        event = await site.send("ana", 1)

        async def told() -> bool:
            sentence = await explained(site, event)
            return part in sentence and "by local: too loud]" in sentence

        await site.until(told)
        assert "stored now gives another answer" not in await explained(site, event)


async def test_an_audit_takes_two_times_back(site: Site) -> None:
    async with client(driving(site)) as http:
        await site.send("ana", 1)
        await site.pass_time(3_600_000)
        await site.send("ana", 2)
        query = {"since": "2h", "until": "30m"}
        found = (await http.get("/v1/audit", params=query)).json()
        assert found["events"]["transactional"]["accepted"] == 1
        wrong = await http.get("/v1/audit", params={"until": "soon"})
        assert [each["pointer"] for each in wrong.json()["errors"]] == ["/until"]


async def test_readiness_and_metrics_show_what_is_paused(site: Site) -> None:
    behind = driving(site)
    async with client(behind) as http:
        await http.post("/v1/pauses", json={"lane": "bulk", "channel": "chat", "reason": "why"})
        ready = (await http.get("/readyz")).json()
        assert ready["paused"] == ["lane=bulk channel=chat"]
        shown = (await http.get("/metrics")).text
        line = 'tocsin_pauses{channel="chat",lane="bulk",provider="",workflow=""} 1.0'
        assert line in shown.splitlines()

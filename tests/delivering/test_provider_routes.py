"""Providers by HTTP: how they are, a real test of one, and what is wrong with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.delivering.operating import client, driving
from tests.delivering.site import BEGIN_MS, Site, Vendor, process
from tocsin.channels.email.smtp.simulator import PASSWORD, SmtpSimulator
from tocsin.domain.instants import show_instant
from tocsin.ports.simulator import Dial

BEGIN = show_instant(BEGIN_MS)


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(driving(site), "operator") as made:
        yield made


async def listed(http: httpx2.AsyncClient, name: str = "pager") -> dict[str, Any]:
    items = (await http.get("/v1/providers")).json()["items"]
    return next(each for each in items if each["name"] == name)


async def findings(http: httpx2.AsyncClient, name: str = "pager") -> dict[str, str]:
    said = (await http.get(f"/v1/providers/{name}/doctor")).json()
    assert said["ok"] is all(each["weight"] != "problem" for each in said["findings"])
    return {each["says"]: each["weight"] for each in said["findings"]}


async def test_a_provider_is_listed_with_what_is_set_and_no_secret(
    site: Site, http: httpx2.AsyncClient
) -> None:
    answer = await http.get("/v1/providers")
    assert "canary" not in answer.text
    (pager,) = answer.json()["items"]
    assert (pager["name"], pager["channel"], pager["batch_max"]) == ("pager", "chat", 4)
    assert pager["settings"] == {
        "url": f'"http://127.0.0.1:{site.simulator.port}"',
        "key": '"***"',
        "callback_secret": '"***"',
    }
    assert pager["callback_url"].endswith("/v1/callbacks/pager")
    assert [lane["lane"] for lane in pager["lanes"]] == ["critical", "transactional", "bulk"]
    assert {lane["ready_at"] for lane in pager["lanes"]} == {None}


async def test_what_it_answered_is_counted(site: Site, http: httpx2.AsyncClient) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.ACCEPT, Dial.REFUSE])
    for n, state in enumerate(("sent", "failed")):
        await site.until_settled(await site.send("ana", n), ana, state)
    pager = await listed(http)
    assert (pager["accepted"], pager["problems"]) == (1, {"blocked": 1})
    assert pager["last_accepted_at"] == BEGIN
    assert pager["last_problem"] == {
        "at": BEGIN,
        "reason": "blocked",
        "known": True,
        "detail": "blocked",
    }


async def test_a_test_is_a_real_message_and_no_delivery(
    site: Site, http: httpx2.AsyncClient
) -> None:
    given = {"address": "ana-pager", "title": "Hello", "body": "Is it there?"}
    said = (await http.post("/v1/providers/pager/test", json=given)).json()
    (taken,) = site.simulator.taken
    assert (taken.address, taken.text) == ("ana-pager", "Hello Is it there?")
    assert said["outcome"] == "accepted"
    assert (said["reference"], said["provider_id"]) == (taken.reference, "page-1")
    noted = [(e.action, e.target, e.detail) async for e in site.services.stores.trail.entries(0)]
    assert ("provider.test", "provider/pager", "to …") in noted
    assert (await listed(http))["accepted"] == 1
    assert any("it last took a message" in says for says in await findings(http))


@pytest.mark.parametrize(
    ("dial", "outcome", "reason"),
    [
        (Dial.DEAD_ADDRESS, "refused", "dead_address"),
        (Dial.THROTTLE, "later", "throttled"),
        (Dial.TAKE_AND_DROP, "unknown", "timed_out"),
    ],
)
async def test_a_test_that_fails_says_what_to_do(
    site: Site, http: httpx2.AsyncClient, dial: Dial, outcome: str, reason: str
) -> None:
    site.simulator.dial([dial])
    said = (await http.post("/v1/providers/pager/test", json={"address": "x"})).json()
    assert (said["outcome"], said["reason"]) == (outcome, reason)
    assert said["says"]
    assert said["do"]


async def test_who_is_not_to_be_sent_to_gets_no_test(site: Site, http: httpx2.AsyncClient) -> None:
    entry = {"channel": "chat", "address": "ana-pager"}
    assert (await http.post("/v1/suppressions", json=entry)).status_code in {200, 201}
    refused = await http.post("/v1/providers/pager/test", json={"address": "ana-pager"})
    assert (refused.status_code, refused.json()["code"]) == (409, "suppressed")
    assert not site.simulator.calls


async def test_names_and_addresses_that_are_none_are_refused(http: httpx2.AsyncClient) -> None:
    unknown = await http.post("/v1/providers/pagr/test", json={"address": "x"})
    assert unknown.status_code == 404
    assert "did you mean 'pager'?" in unknown.json()["detail"]
    assert (await http.get("/v1/providers/pagr/doctor")).status_code == 404
    wrong = await http.post("/v1/providers/pager/test", json={"address": "http://127.0.0.1/"})
    assert wrong.status_code == 422
    (problem,) = wrong.json()["errors"]
    assert problem["pointer"] == "/address"
    assert problem["detail"]


async def test_the_doctor_says_where_reports_cannot_go(http: httpx2.AsyncClient) -> None:
    found = await findings(http)
    (reports,) = (says for says in found if "reports would go" in says)
    assert found[reports] == "problem"


async def test_the_doctor_says_what_the_last_answer_means(
    site: Site, http: httpx2.AsyncClient
) -> None:
    ana = await site.person("ana", "ana-pager")
    assert "nothing was sent by it since this server started" in await findings(http)
    site.simulator.dial([Dial.REFUSE])
    await site.until_settled(await site.send("ana", 1), ana, "failed")
    (last,) = (says for says in await findings(http) if "its last answer" in says)
    assert f"at {BEGIN}, was blocked" in last
    await site.until_settled(await site.send("ana", 2), ana, "sent")
    site.clock.advance(BEGIN_MS + 1)
    await site.until_settled(await site.send("ana", 3), ana, "sent")
    assert not any("its last answer" in says for says in await findings(http))


async def test_the_doctor_says_who_has_paused_it(http: httpx2.AsyncClient) -> None:
    paused = await http.post("/v1/pauses", json={"provider": "pager", "reason": "too loud"})
    id = paused.json()["id"]
    assert (await findings(http))[f"it is paused by {id}"] == "problem"
    assert (await listed(http))["pauses"] == [id]


async def test_the_doctor_says_until_when_it_is_not_called(
    site: Site, http: httpx2.AsyncClient
) -> None:
    await site.simulator.close()
    for n in range(12):
        await site.person(f"ana-{n}", f"pager-{n}")
        await site.send(f"ana-{n}", n)

    async def opened() -> bool:
        return any(lane["breakers_open"] for lane in (await listed(http))["lanes"])

    await site.live_until(opened)
    found = await findings(http)
    (closed,) = (says for says in found if "not called in the lane transactional" in says)
    assert found[closed] == "problem"
    assert any("unreachable" in says for says in found)


@pytest.mark.parametrize(
    ("password", "says"), [(PASSWORD, "works"), ("other", "credentials, configuration or billing")]
)
async def test_the_doctor_tries_credentials_without_sending(
    tmp_path: Path, password: str, says: str
) -> None:
    mail = Vendor(SmtpSimulator())
    async with (
        mail.serving(),
        process(tmp_path, "joint", mail, password=password) as site,
        client(driving(site), "operator") as http,
    ):
        (found,) = (each for each in await findings(http, "smtp") if "logging in" in each)
        assert says in found
    assert not mail.simulator.calls

"""The played vendors of a sandbox, asked and turned over the API."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.site import BEGIN_MS, SandboxSite, listening, sandbox
from tests.sandbox.test_clock import deliveries, notifications
from tocsin.domain.instants import parse_instant
from tocsin.wiring.vendors import read_places

MESSAGES = "/v1/sandbox/messages"
NO_FAULTS = {
    "latency_ms": 0,
    "errors": {},
    "lose_replies": 0.0,
    "duplicate_receipts": 0.0,
    "dead": [],
    "down": False,
}


async def sent(site: SandboxSite, to: str, n: int) -> str:
    """Trigger the alarm; return the event when it was handed over."""
    event = await site.trigger(to, n)
    await site.advance("1s")
    return event


async def test_a_fresh_sandbox_sends_through_every_vendor_that_it_has(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        await site.publish()
        await site.person("ana", "ana-pager")
        await site.person("bo", "bo-pager")
        await sent(site, "ana", 1)
        await sent(site, "bo", 2)
        newest, oldest = (await site.call("GET", MESSAGES))["messages"]
        assert (newest["to"], oldest["to"]) == ("bo-pager", "ana-pager")
        assert newest["provider"] == "pager"
        assert newest["channel"] == "chat"
        assert newest["content"] == {"text": "Alarm 2"}
        assert '"text":"Alarm 2"' in newest["raw"]
        assert (newest["answer"], newest["taken"]) == ("taken", True)
        assert parse_instant(newest["received_at"]) >= BEGIN_MS


async def test_messages_are_found_by_each_filter(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        await site.publish()
        await site.person("ana", "ana-pager")
        await site.person("bo", "bo-pager")
        await sent(site, "ana", 1)
        await site.advance("1h")
        await sent(site, "bo", 2)
        (bo, ana) = (await site.call("GET", MESSAGES))["messages"]
        for query, expected in (
            ("to=ana-pager", [ana]),
            (f"to={ana['reference']}", [ana]),
            ("recipient=ana", [ana]),
            ("recipient=nobody", []),
            ("channel=chat&provider=pager", [bo, ana]),
            ("channel=email", []),
            ("provider=other", []),
            (f"since={bo['received_at']}", [bo]),
            ("limit=1", [bo]),
        ):
            found = (await site.call("GET", f"{MESSAGES}?{query}"))["messages"]
            assert found == expected, query
        await site.call("GET", f"{MESSAGES}?channel=pigeon", status=404)
        await site.call("GET", f"{MESSAGES}?since=yesterday", status=422)


async def test_faults_are_shown_and_turned(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        path = "/v1/sandbox/faults/pager"
        assert await site.call("GET", path) == NO_FAULTS
        wanted = {**NO_FAULTS, "errors": {"503": 0.5, "429": 0.25}, "dead": ["x"]}
        assert await site.call("PUT", path, wanted) == wanted
        assert await site.call("GET", path) == wanted
        await site.call("PUT", path, {"errors": {"999": 0.1}}, 422)
        await site.call("PUT", path, {"errors": {"503": 1.5}}, 422)
        await site.call("PUT", path, {"lateness_ms": 1}, 422)
        assert await site.call("GET", path) == wanted
        await site.call("GET", "/v1/sandbox/faults/pigeon", status=404)


async def test_what_is_down_is_tried_again_when_it_is_up(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        await site.publish()
        await site.person("ana", "ana-pager")
        await site.call("PUT", "/v1/sandbox/faults/pager", {"down": True})
        event = await sent(site, "ana", 1)
        assert [each["state"] for each in await deliveries(site, event)] in (
            ["pending"],
            ["deferred"],
        )
        await site.call("PUT", "/v1/sandbox/faults/pager", {})
        await site.advance("1h")
        assert [each["state"] for each in await deliveries(site, event)] == ["sent"]


async def test_what_a_person_does_is_reported_by_the_vendor(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        await site.publish()
        await site.person("ana", "ana-pager")
        event = await sent(site, "ana", 1)
        (message,) = (await site.call("GET", MESSAGES))["messages"]
        async with listening(site):
            await site.call("POST", f"{MESSAGES}/{message['id']}/deliver", status=204)
        (one,) = await notifications(site, event)
        assert [each["state"] for each in one["deliveries"]] == ["delivered"]
        (told,) = one["attempts"].values()
        receipt = next(each for each in told if each["kind"] == "receipt")
        assert parse_instant(receipt["at"]) >= BEGIN_MS, "dated by the sandbox's clock"
        assert parse_instant(receipt["at"]) < BEGIN_MS + 3_600_000


async def test_what_a_vendor_does_not_report_is_a_conflict_that_says_what_it_can(
    tmp_path: Path,
) -> None:
    async with sandbox(tmp_path / "data") as site:
        await site.publish()
        await site.person("ana", "ana-pager")
        await sent(site, "ana", 1)
        (message,) = (await site.call("GET", MESSAGES))["messages"]
        said = await site.call("POST", f"{MESSAGES}/{message['id']}/reply", {"words": "hello"})
        assert said == {"answer": "you said hello"}
        problem = await site.call("POST", f"{MESSAGES}/{message['id']}/decline", status=409)
        assert problem["code"] == "action_not_possible"
        assert "deliver, bounce" in problem["detail"]
        await site.call("POST", f"{MESSAGES}/{message['id']}/frame", status=404)
        await site.call("POST", f"{MESSAGES}/pager-99/deliver", status=404)
        await site.call("POST", f"{MESSAGES}/nothing/deliver", status=404)


async def test_what_arrived_and_the_ports_outlive_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with sandbox(folder) as site:
        await site.publish()
        await site.person("ana", "ana-pager")
        await sent(site, "ana", 1)
        before = (await site.call("GET", MESSAGES))["messages"]
        places = read_places(folder)
    async with sandbox(folder, clock=None) as site:
        assert (await site.call("GET", MESSAGES))["messages"] == before
        assert read_places(folder) == places
        assert places.providers["pager"].port == site.played("pager").port
    assert (folder / "sandbox.json").stat().st_mode & 0o777 == 0o600


async def test_a_real_server_plays_nobody(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data", clock=None, mode="real") as site:
        for method, path, body in (
            ("GET", MESSAGES, None),
            ("GET", f"{MESSAGES}/pager-1", None),
            ("GET", "/v1/sandbox/vendors", None),
            ("POST", f"{MESSAGES}/pager-1/deliver", None),
            ("GET", "/v1/sandbox/faults/pager", None),
            ("PUT", "/v1/sandbox/faults/pager", {}),
        ):
            problem = await site.call(method, path, body, 409)
            assert problem["code"] == "not_a_sandbox"

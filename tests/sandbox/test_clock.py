"""Moving the clock of a sandbox: everything at its hour, in its order, and never back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from tests.sandbox.site import BEGIN, BEGIN_MS, HOUR_MS, LAYOUTS, Layout, SandboxSite, sandbox
from tests.support.receiver import answer, receiver
from tocsin.config import Outbound
from tocsin.domain.instants import parse_instant
from tocsin.errors import Conflict
from tocsin.ports.simulator import Faults

DAY_MS = 24 * HOUR_MS
ALL_DAY_BUT_EVENING = {"from": "21:00", "until": "20:00"}
PATIENT = {"attempts_max": 5, "retry_base": "1h", "retry_cap": "8h", "patience": "2d"}


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Layout:
    return cast(Layout, request.param)


async def notifications(site: SandboxSite, event: str) -> list[Any]:
    """Return the notifications of an event, in full."""
    found = (await site.call("GET", f"/v1/notifications?event={event}"))["items"]
    return [await site.call("GET", f"/v1/notifications/{each['id']}") for each in found]


async def deliveries(site: SandboxSite, event: str) -> list[Any]:
    """Return the deliveries of an event."""
    return [each for one in await notifications(site, event) for each in one["deliveries"]]


async def test_it_begins_where_it_was_told_to_and_flows(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        first, second = await site.now_ms(), await site.now_ms()
        assert BEGIN_MS <= first <= second < BEGIN_MS + 60_000
        face = await site.call("GET", "/v1/sandbox/clock")
        assert face["offset_ms"] < 0
        assert face["moving_to"] is None


async def test_what_is_held_goes_out_when_the_clock_is_there(
    tmp_path: Path, layout: Layout
) -> None:
    async with sandbox(tmp_path / "data", layout) as site:
        await site.publish()
        quiet = {"quiet_hours": [ALL_DAY_BUT_EVENING]}
        await site.person("ana", "ana-pager", timezone="UTC")
        await site.call("PUT", "/v1/recipients/ana/preferences", quiet)
        event = await site.trigger("ana", 1)
        await site.set(BEGIN_MS + 20 * HOUR_MS - 60_000)
        assert [each["state"] for each in await deliveries(site, event)] == ["deferred"]
        face = await site.advance("1m")
        assert face["settled"] is True
        (sent,) = await deliveries(site, event)
        assert sent["state"] == "sent"


async def test_three_days_of_retries_are_made_each_at_its_hour(
    tmp_path: Path, layout: Layout
) -> None:
    async with sandbox(tmp_path / "data", layout, pager=PATIENT) as site:
        await site.publish()
        await site.person("ana", "ana-pager")
        await site.person("bo", "bo-pager")
        simulator = site.played("pager")
        await simulator.set_faults(Faults(errors={"503": 1.0}))
        events = [await site.trigger(who, n) for n, who in enumerate(("ana", "bo"))]
        face = await site.advance("3d")
        assert face["stops"] >= 8
        for event in events:
            (one,) = await notifications(site, event)
            assert [each["state"] for each in one["deliveries"]] == ["failed"]
            (made,) = one["attempts"].values()
            assert [each["number"] for each in made if each["kind"] == "attempt"] == [1, 2, 3, 4, 5]
        arrived = [each.received_ms for each in reversed(simulator.messages())]
        assert len(arrived) == 10
        assert arrived == sorted(arrived)
        assert arrived[-1] > BEGIN_MS + HOUR_MS


async def test_advancing_in_pieces_comes_to_the_same(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        begun = await site.now_ms()
        for _ in range(3):
            await site.advance("1h")
        now = await site.now_ms()
        assert begun + 3 * HOUR_MS <= now < begun + 3 * HOUR_MS + 60_000


async def test_it_goes_on_after_a_restart_and_no_other_begin_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with sandbox(folder) as site:
        await site.advance("3d")
        last_ms = await site.now_ms()
    for clock in (None, BEGIN, BEGIN[:10]):
        async with sandbox(folder, clock=clock) as site:
            now_ms = await site.now_ms()
            assert last_ms <= now_ms < last_ms + 60_000
            last_ms = now_ms
    with pytest.raises(Conflict, match="began at 2016-09-01"):
        async with sandbox(folder, clock="2017-01-01"):
            pass


async def test_a_clock_that_was_never_moved_goes_on_too(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with sandbox(folder) as site:
        last_ms = await site.now_ms()
    async with sandbox(folder, clock=None) as site:
        assert last_ms <= await site.now_ms() < last_ms + 60_000


async def test_without_a_begin_it_is_now(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data", clock=None) as site:
        assert (await site.call("GET", "/v1/sandbox/clock"))["offset_ms"] == 0


async def test_it_never_goes_back(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        await site.advance("1d")
        problem = await site.set(BEGIN_MS, status=422)
        assert problem["code"] == "clock_goes_back"
        assert await site.now_ms() >= BEGIN_MS + DAY_MS


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"advance": "1h", "set": BEGIN},
        {"advance": "soon"},
        {"advance": "-1h"},
        {"set": "tomorrow"},
        {"advance": "200000d"},
    ],
)
async def test_what_is_no_move_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    async with sandbox(tmp_path / "data") as site:
        await site.call("POST", "/v1/sandbox/clock", change, 422)
        assert await site.now_ms() < BEGIN_MS + HOUR_MS


async def test_a_real_server_has_no_clock_to_move(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data", clock=None, mode="real") as site:
        problem = await site.call("GET", "/v1/sandbox/clock", status=409)
        assert problem["code"] == "not_a_sandbox"
        await site.call("POST", "/v1/sandbox/clock", {"advance": "1h"}, 409)


async def test_times_in_answers_are_the_sandboxs(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        await site.publish()
        event = await site.trigger("ana", 1)
        await site.advance("1h")
        shown = await site.call("GET", f"/v1/events/{event}")
        assert BEGIN_MS <= parse_instant(shown["accepted_at"]) < BEGIN_MS + HOUR_MS


async def test_a_move_waits_until_endpoints_were_told_and_tries_them_again(tmp_path: Path) -> None:
    near = Outbound(allowed_networks=("127.0.0.0/8",))
    async with receiver() as there, sandbox(tmp_path / "data", outbound=near) as site:
        there.say([answer(500), answer(500)])
        await site.call("PUT", "/v1/status-webhooks/crm", {"url": f"{there.url}/crm"})
        await site.publish()
        await site.person("ana", "ana-pager")
        await site.trigger("ana", 1)
        moved = await site.advance("1d")
        assert moved["settled"] is True
        assert len(there.seen) == 3
        assert len({seen.headers["webhook-id"] for seen in there.seen}) == 1
        assert site.services.status_webhooks is not None
        assert dict(site.services.status_webhooks.calls) == {"failed": 2, "taken": 1}
        assert not site.services.status_webhooks.busy()
        assert site.services.status_webhooks.next_ms() is None

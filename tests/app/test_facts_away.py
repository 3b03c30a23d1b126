"""Stores that cannot be read: critical messages go by the last known, all others wait."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.app.sending_site import ALL_DAY_BUT_EVENING, SendingSite, inbox_and_push
from tocsin.domain.preferences import Preferences
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Plan
from tocsin.errors import Unavailable
from tocsin.ports.state import Suppression
from tocsin.wiring.stores import Stores

BREAKABLE = (
    "recipients",
    "suppressions",
    "audiences",
    "deduplication",
    "claims",
    "timers",
    "fanouts",
    "workflows",
    "keys",
    "idempotency",
    "journal",
    "blobs",
)
NO_PUSH = Preferences(channels={"push": False})


class Breakable:
    """Stores behind a line that can be cut, each by its name."""

    def __init__(self) -> None:
        self.cut: set[str] = set()

    def around(self, stores: Stores) -> Stores:
        """Return *stores* with the line in between."""
        behind: dict[str, Any] = {
            name: _Behind(getattr(stores, name), name, self) for name in BREAKABLE
        }
        return replace(stores, **behind)


class _Behind:
    """A store whose calls fail while its line is cut; what it holds in memory can be read."""

    def __init__(self, inner: Any, name: str, line: Breakable) -> None:
        self._inner = inner
        self._name = name
        self._line = line

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._inner, method)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*given: Any, **named: Any) -> Any:
            if self._name in self._line.cut:
                raise Unavailable(f"{self._name} cannot be reached")
            return await found(*given, **named)

        return call


@pytest.fixture
def line() -> Breakable:
    return Breakable()


@pytest.fixture(params=["joint", "split"])
async def site(
    request: pytest.FixtureRequest, tmp_path: Path, line: Breakable
) -> AsyncIterator[SendingSite]:
    made = SendingSite(tmp_path, request.param, around=line.around)
    await made.open()
    for lane in ("critical", "transactional", "bulk"):
        await made.publish({**inbox_and_push(lane), "lane": lane})
    stores = made.services.stores
    await stores.recipients.put([Recipient(0, "ana", preferences=NO_PUSH), Recipient(0, "bo")])
    await stores.recipients.durable()
    made.start()
    yield made
    line.cut.clear()
    await made.close()


async def send(site: SendingSite, lane: str, id: str, recipient: str = "ana") -> bytes:
    return await site.send(
        type=lane, id=id, recipients=[recipient], data={"what": "it"}, source="tests"
    )


async def planned(site: SendingSite, lane: str, event: bytes) -> Plan | None:
    """Return the plan of *event*, if there is one by now."""
    found = [each for each in await site.records(f"plans.{lane}") if isinstance(each, Plan)]
    return next((plan for plan in found if plan.event == event), None)


async def explained(site: SendingSite, event: bytes, recipient: str) -> str:
    return (await site.services.history.explainer(event, recipient)).sentence


def decided(plan: Plan) -> dict[str, str]:
    """Return each channel's reason."""
    (note,) = plan.runs[0].notifications
    return {decision.channel: decision.reason.value for decision in note.decisions}


async def test_critical_goes_by_the_last_known_preferences_and_the_rest_waits(
    site: SendingSite, line: Breakable
) -> None:
    await send(site, "critical", "before")
    await site.routed()
    line.cut.add("recipients")
    waiting = [await send(site, lane, f"{lane}-away") for lane in ("transactional", "bulk")]
    key = await send(site, "critical", "away")

    async def routed() -> bool:
        return await planned(site, "critical", key) is not None

    await site.until("the critical one is routed", routed)
    plan = await planned(site, "critical", key)
    assert plan is not None
    assert plan.facts_away == ("preferences",)
    assert decided(plan) == {"inbox": "send", "push": "opted_out"}
    for lane, other in zip(("transactional", "bulk"), waiting, strict=True):
        assert await planned(site, lane, other) is None

    line.cut.clear()
    site.clock.advance(site.clock.now_ms() + 1_000)
    await site.routed()
    for lane, other in zip(("transactional", "bulk"), waiting, strict=True):
        late = await planned(site, lane, other)
        assert late is not None
        assert late.facts_away == ()
    assert "decided by the last known preferences" in await explained(site, key, "ana")
    assert "last known" not in await explained(site, waiting[0], "ana")


async def test_who_was_never_read_waits_and_holds_up_nobody_before(
    site: SendingSite, line: Breakable
) -> None:
    people = [f"p{n}" for n in range(8)]
    for id in people:
        await send(site, "critical", f"before-{id}", id)
    await site.routed()
    line.cut.add("recipients")
    batch = [
        {"type": "critical", "id": f"away-{id}", "recipients": [id], "data": {"what": "it"}}
        for id in (*people, "bo")
    ]
    async with await site.client("producer") as client:
        answer = await client.post("/v1/events", json=batch)
    *found, stranger = [
        bytes.fromhex(each["id"].removeprefix("evt_")) for each in answer.json()["events"]
    ]

    async def routed() -> bool:
        return all([await planned(site, "critical", key) is not None for key in found])

    await site.until("the others are routed", routed)
    assert await planned(site, "critical", stranger) is None
    line.cut.clear()
    site.clock.advance(site.clock.now_ms() + 1_000)
    await site.routed()
    plan = await planned(site, "critical", stranger)
    assert plan is not None
    assert decided(plan) == {"inbox": "send", "push": "send"}


async def test_critical_goes_by_the_last_known_suppressions(
    site: SendingSite, line: Breakable
) -> None:
    stores = site.services.stores
    bo = (await stores.recipients.by_id(["bo"]))["bo"]
    entry = Suppression("s1", bo.number, "push", None, "asked", "test", site.clock.now_ms())
    await stores.suppressions.add([entry])
    for id in ("ana", "bo"):
        await send(site, "critical", f"before-{id}", id)
    await site.routed()
    line.cut.add("suppressions")
    keys = {id: await send(site, "critical", f"away-{id}", id) for id in ("ana", "bo")}
    bulk = await send(site, "bulk", "away-bulk", "bo")

    async def routed() -> bool:
        return all([await planned(site, "critical", key) is not None for key in keys.values()])

    await site.until("the critical ones are routed", routed)
    plans = {id: await planned(site, "critical", key) for id, key in keys.items()}
    assert plans["ana"] is not None
    assert plans["bo"] is not None
    assert decided(plans["ana"])["push"] == "opted_out"
    assert decided(plans["bo"])["push"] == "suppression_list"
    assert plans["bo"].facts_away == ("suppressions",)
    assert await planned(site, "bulk", bulk) is None

    line.cut.clear()
    site.clock.advance(site.clock.now_ms() + 1_000)
    await stores.suppressions.remove("s1")
    await site.routed()
    after = await send(site, "critical", "after", "bo")
    await site.routed()
    plan = await planned(site, "critical", after)
    assert plan is not None
    assert decided(plan)["push"] == "send"


NEEDS: dict[str, dict[str, Any]] = {
    "deduplication": {"recipients": ["ana"]},
    "audiences": {"recipients": {"group": "ops"}},
    "claims": {"recipients": ["ana"], "cancellation_key": "k"},
    "timers": {"recipients": ["quiet"]},
    "fanouts": {"recipients": {"everyone": True}},
    "blobs": {"recipients": {"everyone": True}},
}
"""An event that cannot be decided without the store."""


@pytest.mark.parametrize("lane", ["critical", "transactional"])
@pytest.mark.parametrize("store", NEEDS)
async def test_what_cannot_be_decided_without_a_store_waits_for_it(
    site: SendingSite, line: Breakable, store: str, lane: str
) -> None:
    # Critical messages are never held by quiet hours.
    held = store != "timers" or lane != "critical"
    people = site.services.stores.recipients
    await people.put(
        [Recipient(0, "quiet", preferences=Preferences(quiet_hours=(ALL_DAY_BUT_EVENING,)))]
    )
    await people.durable()
    line.cut.add(store)
    key = await site.send(type=lane, data={"what": "it"}, **NEEDS[store])
    if held:

        async def tried() -> bool:
            return site.clock.next_due_ms() is not None

        await site.until("it was tried", tried)
        assert await planned(site, lane, key) is None
    line.cut.clear()
    site.clock.advance(site.clock.now_ms() + 1_000)
    await site.routed()
    plans = [each for each in await site.records(f"plans.{lane}") if isinstance(each, Plan)]
    assert [plan.event for plan in plans if plan.input_key == key] == [key]


async def test_known_workflows_and_keys_go_on_without_their_store(
    site: SendingSite, line: Breakable
) -> None:
    async with await site.client("producer") as client:
        line.cut |= {"workflows", "keys"}
        answer = await client.post(
            "/v1/events", json={"type": "bulk", "recipients": ["ana"], "data": {"what": "it"}}
        )
        assert answer.status_code == 202, answer.text
    await site.routed()
    assert (await site.settled())["bulk", "inbox", "sent"] == 1


async def test_what_cannot_be_kept_is_not_acknowledged(site: SendingSite, line: Breakable) -> None:
    line.cut |= {"journal", "idempotency", "blobs", "claims"}
    event = {"type": "bulk", "recipients": ["ana"], "data": {"what": "it"}}
    async with await site.client("admin") as client:
        answers = {
            "guarded": await client.post(
                "/v1/events", json=event, headers={"Idempotency-Key": "k"}
            ),
            "large": await client.post("/v1/events", json={**event, "data": {"x": "y" * 70_000}}),
            "cancel": await client.post("/v1/cancel", json={"cancellation_key": "k"}),
            "opt-out": await client.patch(
                "/v1/recipients/bo/preferences", json={"channels": {"push": False}}
            ),
        }
        assert {name: answer.status_code for name, answer in answers.items()} == {
            "guarded": 503,
            "large": 503,
            "cancel": 503,
            "opt-out": 503,
        }
        assert all("retry-after" in answer.headers for answer in answers.values())
        line.cut.clear()
        shown = await client.get("/v1/recipients/bo/preferences")
        assert "push" not in shown.json().get("channels", {})

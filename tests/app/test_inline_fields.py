"""Profile fields in a call: who may change an address, and what cannot be one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.sending_site import SendingSite, inbox_and_push

OLD, NEW = "old@example.com", "new@example.com"
OLD_PHONE, NEW_PHONE = "+34600111222", "+34600111333"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SendingSite]:
    made = SendingSite(tmp_path, "joint")
    await made.open()
    await made.publish(inbox_and_push("note"))
    made.start()
    async with await made.client("admin") as client:
        stored = await client.put("/v1/recipients/ana", json={"email": OLD, "phone": OLD_PHONE})
        assert stored.status_code == 201, stored.text
    yield made
    await made.close()


def event(**recipient: str) -> dict[str, Any]:
    """Return an event for one recipient with these fields."""
    return {"type": "note", "recipients": [recipient], "data": {"what": "it"}}


async def addresses(site: SendingSite, id: str) -> list[str]:
    """Return what *id* can be reached at."""
    await site.routed()
    one = (await site.services.stores.recipients.by_id([id]))[id]
    return [site.services.book.open(one, address) for address in one.addresses]


async def test_an_address_that_exists_is_not_changed_without_the_scope(site: SendingSite) -> None:
    async with await site.client("producer") as client:
        answer = await client.post(
            "/v1/events",
            json=[
                event(id="ana", email=NEW, name="Ana"),
                event(id="ana", email=OLD, phone=OLD_PHONE, name="Ana Two"),
                event(id="bob", email=NEW),
                event(id="ana", phone=NEW_PHONE),
                {"type": "note", "recipients": ["ana"]},
            ],
        )
    assert answer.status_code == 207, answer.text
    outcomes = answer.json()["events"]
    assert ["id" in each for each in outcomes] == [False, True, True, False, True]
    refused = [outcomes[n]["errors"][0] for n in (0, 3)]
    assert [each["pointer"] for each in refused] == ["/recipients/0/email", "/recipients/0/phone"]
    assert {each["code"] for each in refused} == {"forbidden"}
    assert all("recipients:write" in each["detail"] for each in refused)
    assert await addresses(site, "ana") == [OLD, OLD_PHONE]
    assert await addresses(site, "bob") == [NEW]
    ana = (await site.services.stores.recipients.by_id(["ana"]))["ana"]
    assert ana.name == "Ana Two"


async def test_one_event_alone_is_a_422(site: SendingSite) -> None:
    async with await site.client("producer") as client:
        for path, body in (
            ("/v1/events", event(id="ana", email=NEW)),
            (
                "/v1/workflows/note/trigger",
                {"recipients": [{"id": "ana", "email": NEW}], "data": {"what": "it"}},
            ),
        ):
            answer = await client.post(path, json=body)
            assert answer.status_code == 422, answer.text
            assert answer.json()["errors"][0]["pointer"] == "/recipients/0/email"
    assert await addresses(site, "ana") == [OLD, OLD_PHONE]


async def test_with_the_scope_an_address_is_changed(site: SendingSite) -> None:
    async with await site.client("backend") as client:
        answer = await client.post("/v1/events", json=event(id="ana", email=NEW))
    assert answer.status_code == 202, answer.text
    assert await addresses(site, "ana") == [NEW, OLD_PHONE]


async def test_the_first_of_a_call_gives_the_address_and_a_second_would_change_it(
    site: SendingSite,
) -> None:
    async with await site.client("producer") as client:
        answer = await client.post(
            "/v1/events", json=[event(id="cleo", email=OLD), event(id="cleo", email=NEW)]
        )
    assert answer.status_code == 207, answer.text
    assert ["id" in each for each in answer.json()["events"]] == [True, False]
    assert await addresses(site, "cleo") == [OLD]


@pytest.mark.parametrize("role", ["producer", "backend"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("phone", "600"),
        ("locale", "klingonese!"),
        ("timezone", "Mars/Base"),
    ],
)
async def test_a_field_that_cannot_be_right_is_refused_and_not_repeated(
    site: SendingSite, role: str, field: str, value: str
) -> None:
    async with await site.client(role) as client:
        answer = await client.post("/v1/events", json=event(id="dora", **{field: value}))
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == f"/recipients/0/{field}"
    assert value not in answer.text

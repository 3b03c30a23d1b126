"""The other ways to send, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.sending_site import SendingSite, inbox_and_push

HELLO = {"title": "Hello", "body": "You"}


@pytest.fixture(params=["joint", "split"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SendingSite]:
    made = SendingSite(tmp_path, request.param, fanout_threshold=10)
    await made.open()
    await made.publish(inbox_and_push("note"))
    yield made
    await made.close()


async def test_a_trigger_runs_its_workflow_alone_and_a_repeat_is_told(site: SendingSite) -> None:
    site.start()
    async with await site.client("producer") as client:
        body = {"recipients": ["ana"], "data": {"what": "it"}}
        path, guard = "/v1/workflows/note/trigger", {"Idempotency-Key": "once"}
        first = await client.post(path, json=body, headers=guard)
        again = await client.post(path, json=body, headers=guard)
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
        other = await client.post(path, json={**body, "actor": "bob"}, headers=guard)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    await site.routed()
    assert (await site.settled())["bulk", "inbox", "sent"] == 1


async def test_what_cannot_be_triggered_is_refused(site: SendingSite) -> None:
    async with await site.client("producer") as client:
        unknown = await client.post("/v1/workflows/nothing/trigger", json={"recipients": ["ana"]})
        assert unknown.status_code == 404
        later = {"recipients": ["ana"], "send_at": "tomorrow"}
        for path, body in (
            ("/v1/workflows/note/trigger", later),
            ("/v1/send", {**later, "content": HELLO}),
        ):
            refused = await client.post(path, json=body)
            assert refused.status_code == 422
            assert [each["code"] for each in refused.json()["errors"]] == ["invalid_time"]


async def test_a_message_by_hand_reaches_its_recipients(site: SendingSite) -> None:
    site.start()
    async with await site.client("operator") as client:
        nobody = await client.post("/v1/send", json={"content": HELLO})
        assert nobody.json()["errors"][0]["pointer"] == "/recipients"
        sent = await client.post(
            "/v1/send", json={"recipients": ["ana", "bob"], "content": HELLO, "lane": "bulk"}
        )
        assert sent.status_code == 202, sent.text
        many = [f"r{n}" for n in range(40)]
        large = await client.post(
            "/v1/send", json={"recipients": many, "content": HELLO, "lane": "bulk"}
        )
    await site.fanned_out(bytes.fromhex(large.json()["event"].removeprefix("evt_")))
    assert (await site.settled())["bulk", "inbox", "sent"] == 42


async def test_a_caller_is_held_to_the_rate_that_the_settings_say(tmp_path: Path) -> None:
    slow = SendingSite(tmp_path, "joint", http={"requests_per_second": 1, "requests_burst": 3})
    await slow.open()
    async with await slow.client("viewer") as client:
        answers = [await client.get("/v1/recipients") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=1;w=1'
    await slow.close()


async def test_what_reaches_nobody_is_said_with_the_answer(site: SendingSite) -> None:
    await site.services.stores.audiences.put_group("empty", None, 1)
    async with await site.client("operator") as client:
        answer = await client.post(
            "/v1/send",
            json={
                "recipients": [{"group": "ops"}, {"group": "empty"}, "ana"],
                "content": HELLO,
                "channels": ["inbox", "email"],
            },
        )
        fine = await client.post("/v1/send", json={"recipients": ["ana"], "content": HELLO})
        assert answer.text.endswith("}\n")
    assert answer.status_code == 202, answer.text
    assert answer.json()["warnings"] == [
        "the channel 'email' has no provider, so nothing is sent there",
        "there is no group 'ops', so it reaches nobody",
        "the group 'empty' has no members",
    ]
    assert fine.json()["warnings"] == []


async def test_a_misspelt_workflow_is_told_the_nearest(site: SendingSite) -> None:
    async with await site.client("admin") as client:
        answer = await client.post("/v1/workflows/notee/trigger", json={"recipients": ["ana"]})
        missing = await client.get("/v1/groups/ops")
    assert answer.json()["detail"] == (
        "there is no published workflow 'notee'; did you mean 'note'?"
    )
    assert missing.json()["detail"] == "there is no group 'ops'"


@pytest.mark.parametrize("since", ["99999999w", "0001-01-01T00:00:00Z"])
async def test_the_audit_of_all_there_ever_was_begins_with_the_epoch(
    site: SendingSite, since: str
) -> None:
    async with await site.client("viewer") as client:
        answer = await client.get("/v1/audit", params={"since": since})
    assert answer.status_code == 200, answer.text
    assert answer.json()["since"] == "1970-01-01T00:00:00.000Z"

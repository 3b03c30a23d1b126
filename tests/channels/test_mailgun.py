"""Mailgun: forms and what is filled in, and webhooks whose signature covers no body."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from mailgun.client import Client
from mailgun.security import SecurityGuard
from msgspec import structs

from tests.channels.vendor_bench import NOW_MS, Bench, bench, callback
from tocsin.channels.email.mailgun.simulator import DOMAIN, KEY, WEBHOOK_KEY
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Attachment
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import Receipt, ReceiptState
from tocsin.ports.simulator import Dial

# HMAC-SHA-256 by another program (openssl dgst -sha256 -hmac).
VECTOR_KEY = "tocsin-test-signing-key"
VECTOR_STAMP = "1529006854"
VECTOR_TOKEN = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
VECTOR_SIGNATURE = "17e4c99e79123f478a0cdb39bcda2647f6a4d5f57ca5123351bb335716257bfa"


@pytest.fixture
async def gun() -> AsyncIterator[Bench]:
    async with bench("mailgun") as one:
        yield one


async def test_those_that_say_the_same_share_a_call_and_each_has_its_own_link(gun: Bench) -> None:
    messages = [*gun.alike(3), gun.message(4, title="Other", body="words")]
    outcomes = await gun.provider.send(messages)
    assert all(isinstance(each, Accepted) for each in outcomes)
    assert sorted(map(len, gun.simulator.calls)) == [1, 3]
    for n in (1, 2, 3):
        (mine,) = gun.simulator.messages(to=messages[n - 1].reference)
        for part in ("text", "html"):
            assert f"https://t.example/u/{n}" in mine.content[part]
            assert "%recipient" not in mine.content[part]


async def test_text_with_marks_of_its_own_goes_letter_by_letter(gun: Bench) -> None:
    await gun.provider.send(gun.alike(2, title="How to", body="Write %recipient.name%."))
    assert [len(call) for call in gun.simulator.calls] == [1, 1]


async def test_files_go_along_in_a_form_that_another_program_reads(gun: Bench) -> None:
    message = gun.alike(1, title="Grüße", body="On its way.")[0]
    files = (
        Attachment('in"voice.pdf', "application/pdf", b"%PDF\r\n--x\r\n\x00\xff"),
        Attachment("logo.png", "image/png", b"png", "logo"),
    )
    content = structs.replace(message.content, attachments=files)
    (outcome,) = await gun.provider.send([structs.replace(message, content=content)])
    assert isinstance(outcome, Accepted)
    (taken,) = gun.simulator.taken
    assert taken.fields["subject"] == "Grüße"
    boundary = taken.raw.split(b"\r\n", 1)[0][2:].decode()
    head = f'Content-Type: multipart/form-data; boundary="{boundary}"\r\n\r\n'.encode()
    parts = email.message_from_bytes(head + taken.raw, policy=email.policy.HTTP).iter_parts()
    read: list[Any] = [part for part in parts if part.get_filename()]
    assert [each.get_payload(decode=True) for each in read] == [each.data for each in files]
    names = [each.get_param("name", header="content-disposition") for each in read]
    assert names == ["attachment", "inline"]


async def test_a_refused_reader_holds_nobody_else_back(gun: Bench) -> None:
    gun.simulator.dial([Dial.ACCEPT, Dial.DEAD_ADDRESS, Dial.ACCEPT])
    one, two, three = await gun.provider.send(gun.alike(3))
    assert isinstance(one, Accepted)
    assert isinstance(three, Accepted)
    assert two == Refused(ProviderReason.DEAD_ADDRESS, "400 address")


async def test_when_to_come_back_is_read_from_words(gun: Bench) -> None:
    gun.simulator.dial([Dial.THROTTLE])
    (outcome,) = await gun.provider.send([gun.message()])
    assert outcome == TryLater(ProviderReason.THROTTLED, after_ms=60_000, detail="429")


async def test_the_signature_is_what_another_program_makes() -> None:
    said = {"timestamp": VECTOR_STAMP, "token": VECTOR_TOKEN, "signature": VECTOR_SIGNATURE}
    event = {"event": "delivered", "timestamp": 1.5, "user-variables": {"tocsin": "dlv_1"}}
    body = msgspec.json.encode({"signature": said, "event-data": event})
    at_ms = int(VECTOR_STAMP) * 1_000
    async with bench("mailgun", webhook_key=VECTOR_KEY) as gun:
        told = callback("mailgun", body, {}, at_ms)
        reading = await gun.provider.read_callback(told)
        assert [each.reference for each in reading.receipts] == ["dlv_1"]
        assert reading.response.status == 200
        late = replace(told, received_ms=at_ms + 86_400_000)
        with pytest.raises(Unauthenticated):
            await gun.provider.read_callback(late)


async def test_a_signature_is_good_for_one_body_alone(gun: Bench) -> None:
    told = gun.simulator.callback(["dlv_1"], ReceiptState.DELIVERED, NOW_MS)
    for _ in range(2):
        assert (await gun.provider.read_callback(told)).receipts
    forged = replace(told, body=told.body.replace(b"dlv_1", b"dlv_2"))
    with pytest.raises(Unauthenticated):
        await gun.provider.read_callback(forged)


async def test_a_webhook_without_a_signature_is_not_believed(gun: Bench) -> None:
    event = {"event": "delivered", "timestamp": 1.5, "user-variables": {"tocsin": "dlv_1"}}
    for body in (b"", b"{}", msgspec.json.encode({"event-data": event})):
        with pytest.raises(Unauthenticated):
            await gun.provider.read_callback(callback("mailgun", body, {}))


async def read(gun: Bench, event: dict[str, Any]) -> list[Receipt]:
    event = {"timestamp": 1_700_000_000.25, "user-variables": {"tocsin": "dlv_1"}, **event}
    told = gun.simulator._signed(msgspec.json.encode(event), NOW_MS, gun.settings["webhook_key"])
    return list((await gun.provider.read_callback(told)).receipts)


@pytest.mark.parametrize(
    ("event", "meant"),
    [
        (
            {"event": "failed", "severity": "permanent", "reason": "bounce"},
            ("failed", "dead_address", True),
        ),
        (
            {"event": "failed", "severity": "permanent", "reason": "suppress-complaint"},
            ("failed", "blocked", False),
        ),
        ({"event": "failed", "severity": "temporary", "reason": "generic"}, None),
        ({"event": "rejected", "reject": {"reason": "x"}}, ("failed", "bad_content", False)),
        ({"event": "opened", "client-info": {"bot": "gmail"}}, None),
        ({"event": "accepted"}, None),
        ({"event": "complained"}, ("complained", "complained", False)),
    ],
)
async def test_what_an_event_means(
    gun: Bench, event: dict[str, Any], meant: tuple[str, str, bool] | None
) -> None:
    receipts = await read(gun, event)
    assert [(each.state, each.reason, each.dead_address) for each in receipts] == (
        [] if meant is None else [meant]
    )


@pytest.mark.parametrize("stamp", [1e308, 1e300, -1e308, "nan", "inf"])
async def test_what_is_no_time_can_be_kept_all_the_same(gun: Bench, stamp: object) -> None:
    (receipt,) = await read(gun, {"event": "opened", "timestamp": stamp})
    assert 0 <= receipt.at_ms < 1 << 48


LETTER = {
    "from": f"hello@{DOMAIN}",
    "to": ["ana@example.test", "bo@example.test"],
    "subject": "Hello, %recipient.name%",
    "text": "It is on its way.",
    "recipient-variables": '{"ana@example.test": {"name": "Ana"}, "bo@example.test": {}}',
    "v:tocsin": "dlv_1",
}


async def test_mailguns_own_client_takes_the_simulator_for_mailgun(gun: Bench) -> None:
    url = str(gun.settings["url"])

    def talk() -> None:
        with Client(auth=("api", KEY), api_url=url) as client:
            said = client.messages.create(data=LETTER, domain=DOMAIN)
            assert (said.status_code, said.json()["message"]) == (200, "Queued. Thank you.")
            files = [("attachment", ("in voice.pdf", b"%PDF"))]
            said = client.messages.create(data=LETTER, files=files, domain=DOMAIN)
            assert said.json()["id"].endswith(f"@{DOMAIN}>")
            found = client.domains.get(domain_name=DOMAIN)
            assert found.json()["domain"]["state"] == "active"
            assert client.messages.create(data=LETTER, domain=DOMAIN).status_code == 400
        with Client(auth=("api", "key-other"), api_url=url) as client:
            assert client.messages.create(data=LETTER, domain=DOMAIN).status_code == 401

    gun.simulator.dial([*[Dial.ACCEPT] * 4, Dial.REFUSE])
    await asyncio.to_thread(talk)
    assert [each.fields["subject"] for each in gun.simulator.taken] == [
        "Hello, Ana",
        "Hello, %recipient.name%",
    ] * 2


async def test_mailguns_own_client_believes_the_simulators_webhooks(gun: Bench) -> None:
    told = gun.simulator.callback(["dlv_1"], ReceiptState.DELIVERED, NOW_MS)
    signature = msgspec.json.decode(told.body)["signature"]
    assert signature.pop("timestamp") == str(NOW_MS // 1_000)
    for key, believed in ((WEBHOOK_KEY, True), ("other", False)):
        said = SecurityGuard.verify_webhook(
            key, timestamp=str(NOW_MS // 1_000), max_age_seconds=0, **signature
        )
        assert said is believed

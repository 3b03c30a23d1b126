"""SendGrid: its own client takes our simulator for it, and its webhook's signature is its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sendgrid
from msgspec.structs import replace
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import CustomArg, Mail, Personalization, Substitution, To

from tests.channels.vendor_bench import NOW_MS, Bench, bench, callback, reported
from tests.support.vendor_proxy import vendor_proxy
from tocsin.config import Misconfigured
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Attachment
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import Callback, Receipt, ReceiptState
from tocsin.ports.simulator import Action, Dial

# Published by the vendor with its own client.
VECTOR_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2f"
    "NNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
VECTOR_SIGNATURE = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
VECTOR_TIMESTAMP = "1600112502"
VECTOR_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)
SIGNATURE_HEADER = "x-twilio-email-event-webhook-signature"
TIMESTAMP_HEADER = "x-twilio-email-event-webhook-timestamp"


@pytest.fixture
async def grid() -> AsyncIterator[Bench]:
    async with bench("sendgrid") as one:
        yield one


async def test_the_vendors_client_takes_the_simulator_for_the_vendor(
    grid: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = Mail("shop@example.test", subject="Hi", plain_text_content="You are -name-.")
    for name in ("ana", "bo"):
        one = Personalization()
        one.add_to(To(f"{name}@example.test"))
        one.add_custom_arg(CustomArg("tocsin", f"dlv_{name}"))
        one.add_substitution(Substitution("-name-", name))
        mail.add_personalization(one)
    async with vendor_proxy(tmp_path, {"api.sendgrid.com": grid.simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        client = sendgrid.SendGridAPIClient(str(grid.settings["key"]))
        said = await asyncio.to_thread(client.send, mail)
        stranger = sendgrid.SendGridAPIClient("SG.other")
        with pytest.raises(Exception, match="401"):
            await asyncio.to_thread(stranger.send, mail)
    assert (said.status_code, bool(said.headers["x-message-id"])) == (202, True)
    assert sorted((each.address, each.fields["text"]) for each in grid.simulator.taken) == [
        ("ana@example.test", "You are ana."),
        ("bo@example.test", "You are bo."),
    ]


async def test_a_letter_says_what_the_vendor_asks_for(grid: Bench) -> None:
    message = replace(
        grid.alike(1, title="Parcel", body="On its way.", reply_to="help@example.test")[0],
        options={"ip_pool_name": "orders", "template_id": "not passed on"},
    )
    file = Attachment("invoice.pdf", "application/pdf", b"%PDF-1.7")
    message = replace(message, content=replace(message.content, attachments=(file,)))
    (outcome,) = await grid.provider.send([message])
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id is not None
    (taken,) = grid.simulator.taken
    body = msgspec.json.decode(taken.raw)
    assert body["personalizations"][0]["headers"]["List-Unsubscribe"] == "<https://t.example/u/1>"
    assert body["reply_to"] == {"email": "help@example.test"}
    assert body["categories"] == ["news"]
    assert body["ip_pool_name"] == "orders"
    assert "template_id" not in body
    assert body["attachments"] == [
        {
            "content": "JVBERi0xLjc=",
            "filename": "invoice.pdf",
            "type": "application/pdf",
            "disposition": "attachment",
        }
    ]
    assert "https://t.example/u/1" in taken.fields["html"]
    assert "https://t.example/u/1" in taken.fields["text"]


async def test_those_that_say_the_same_share_a_call_and_each_has_its_own_link(grid: Bench) -> None:
    messages = [*grid.alike(3), grid.message(4, title="Other", body="words")]
    outcomes = await grid.provider.send(messages)
    assert all(isinstance(each, Accepted) for each in outcomes)
    assert sorted(map(len, grid.simulator.calls)) == [1, 3]
    for n in (1, 2, 3):
        (mine,) = grid.simulator.messages(to=messages[n - 1].reference)
        for part in ("text", "html"):
            assert f"https://t.example/u/{n}" in mine.content[part]
            assert mine.content[part].count("https://t.example/u/") == 1


async def test_a_refused_reader_holds_nobody_else_back(grid: Bench) -> None:
    grid.simulator.dial([Dial.ACCEPT, Dial.DEAD_ADDRESS, Dial.ACCEPT])
    one, two, three = await grid.provider.send(grid.alike(3))
    assert isinstance(one, Accepted)
    assert isinstance(three, Accepted)
    assert two == Refused(ProviderReason.DEAD_ADDRESS, "400 personalizations.to")
    assert len(grid.simulator.taken) == 2


async def test_when_a_quota_is_spent_it_says_until_when(grid: Bench) -> None:
    grid.simulator.dial([Dial.THROTTLE])
    (outcome,) = await grid.provider.send([grid.message()])
    detail = "429 too many requests"
    assert outcome == TryLater(ProviderReason.THROTTLED, after_ms=60_000, detail=detail)


async def test_a_letter_that_cannot_be_written_is_refused_without_a_call(grid: Bench) -> None:
    odd = replace(grid.message(2), address="añá@example.test")
    outcomes = await grid.provider.send([grid.message(1), odd])
    assert isinstance(outcomes[0], Accepted)
    assert outcomes[1] == Refused(ProviderReason.BAD_ADDRESS, "not written: address")


def posted(body: bytes = VECTOR_BODY, at_s: int = int(VECTOR_TIMESTAMP)) -> Callback:
    headers = {SIGNATURE_HEADER: VECTOR_SIGNATURE, TIMESTAMP_HEADER: VECTOR_TIMESTAMP}
    return callback("sendgrid", body, headers, at_s * 1_000)


async def test_the_published_signature_is_taken_and_any_change_is_not() -> None:
    async with bench("sendgrid", webhook_key=VECTOR_KEY) as grid:
        # The event is about a letter of somebody else's: it has no reference of ours.
        signed_s = int(VECTOR_TIMESTAMP)
        for hours in (0, 24):
            once = posted(at_s=signed_s + hours * 3_600)
            assert not (await grid.provider.read_callback(once)).receipts
        for wrong in (posted(VECTOR_BODY.strip()), posted(at_s=signed_s + 26 * 3_600)):
            with pytest.raises(Unauthenticated):
                await grid.provider.read_callback(wrong)


async def test_the_vendors_client_verifies_what_the_simulator_signs(grid: Bench) -> None:
    posted = grid.simulator.callback(["dlv_1"], ReceiptState.DELIVERED, NOW_MS)
    webhook = EventWebhook()
    key = webhook.convert_public_key_to_ecdsa(grid.settings["webhook_key"])
    signature = posted.headers[SIGNATURE_HEADER], posted.headers[TIMESTAMP_HEADER]
    assert webhook.verify_signature(posted.body.decode(), *signature, key)


async def read(grid: Bench, **event: Any) -> list[Receipt]:
    event = {"tocsin": "dlv_1", "timestamp": 1_700_000_000, "email": "a@b.test", **event}
    body = msgspec.json.encode([event])
    return list((await grid.provider.read_callback(grid.simulator.signed(body, NOW_MS))).receipts)


@pytest.mark.parametrize(
    ("event", "state", "reason", "dead"),
    [
        ({"event": "delivered"}, "delivered", "delivered", False),
        ({"event": "bounce", "type": "bounce", "status": "5.1.1"}, "failed", "dead_address", True),
        ({"event": "bounce", "type": "blocked"}, "failed", "blocked", False),
        ({"event": "dropped", "reason": "Bounced Address"}, "failed", "dead_address", True),
        ({"event": "dropped", "reason": "Spam Content"}, "failed", "bad_content", False),
        ({"event": "dropped", "reason": "something new"}, "failed", "blocked", False),
        ({"event": "open"}, "opened", "opened", False),
        ({"event": "click", "url": "https://a.test/"}, "clicked", "clicked", False),
        ({"event": "spamreport"}, "complained", "complained", False),
        ({"event": "group_unsubscribe"}, "unsubscribed", "unsubscribed", False),
    ],
)
async def test_what_an_event_means(
    grid: Bench, event: dict[str, Any], state: str, reason: str, dead: bool
) -> None:
    (receipt,) = await read(grid, **event)
    assert (receipt.state, receipt.reason, receipt.dead_address) == (state, reason, dead)
    assert receipt.at_ms == 1_700_000_000_000


@pytest.mark.parametrize(
    "event",
    [
        {"event": "processed"},
        {"event": "deferred"},
        {"event": "open", "sg_machine_open": True},
        {"event": "delivered", "tocsin": ""},
        {"event": "something_new"},
    ],
)
async def test_what_says_nothing_new_is_left_out(grid: Bench, event: dict[str, Any]) -> None:
    assert not await read(grid, **event)


@pytest.mark.parametrize("stamp", [1e308, 1e300, -1e308])
async def test_what_is_no_time_can_be_kept_all_the_same(grid: Bench, stamp: float) -> None:
    (receipt,) = await read(grid, event="open", timestamp=stamp)
    assert 0 <= receipt.at_ms < 1 << 48


async def test_words_that_may_name_people_are_not_kept(grid: Bench) -> None:
    (receipt,) = await read(grid, event="bounce", status="550 a@b.test", reason="a@b.test unknown")
    assert "@" not in repr(receipt)


async def test_without_a_key_no_callback_is_believed() -> None:
    async with bench("sendgrid", webhook_key=None) as grid:
        assert not grid.provider.flags.receipts
        with pytest.raises(Unauthenticated):
            await grid.provider.read_callback(posted())


async def test_a_key_that_is_none_is_refused_without_its_value() -> None:
    with pytest.raises(Misconfigured, match="webhook_key") as refused:
        async with bench("sendgrid", webhook_key="canary is not base64"):
            raise AssertionError("it was built")
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("name", ["Shop\r\nBcc: all@example.com", "=?utf-8?b?Cg==?=", "a\u2028b"])
@pytest.mark.parametrize("vendor", ["smtp", "ses", "sendgrid", "mailgun", "postmark"])
async def test_a_senders_name_that_no_header_may_hold_is_refused(vendor: str, name: str) -> None:
    with pytest.raises(Misconfigured, match="from_name"):
        async with bench(vendor, from_name=name):
            raise AssertionError("it was built")


@pytest.mark.parametrize(
    ("action", "detail", "dead"),
    [
        (Action.BOUNCE, "Bounced Address", True),
        (Action.COMPLAIN, "Spam Reporting Address", False),
        (Action.DECLINE, "Unsubscribed Address", False),
    ],
)
async def test_what_goes_to_somebody_on_a_list_is_dropped(
    grid: Bench, action: Action, detail: str, dead: bool
) -> None:
    await grid.provider.send([grid.message()])
    await reported(grid, action)
    (again,) = await grid.provider.send([grid.message()])
    assert isinstance(again, Accepted)
    ((state, said, is_dead),) = await reported(grid, Action.DELIVER)
    assert (state, said, is_dead) == ("failed", "dropped 5.0.0", dead)
    assert grid.simulator.suppressed == {grid.message().address: detail}

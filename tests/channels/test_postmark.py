"""Postmark: what a call holds, what is said of each letter, and what its webhooks mean."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import postmark
import pytest
from msgspec.structs import replace

from tests.channels.vendor_bench import NOW_MS, Bench, bench
from tocsin.channels.email.postmark.provider import CALL_BYTES_MAX
from tocsin.channels.email.postmark.simulator import SENDER, TOKEN
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Attachment
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Dial, Faults


@pytest.fixture
async def mark() -> AsyncIterator[Bench]:
    async with bench("postmark", bulk_stream="news") as one:
        yield one


async def test_any_letters_share_a_call_and_each_is_answered(mark: Bench) -> None:
    mark.simulator.dial([Dial.ACCEPT, Dial.DEAD_ADDRESS])
    messages = [mark.message(1, title="One", body="a"), mark.message(2, title="Two", body="b")]
    one, two = await mark.provider.send(messages)
    assert isinstance(one, Accepted)
    assert one.provider_id is not None
    assert two == Refused(ProviderReason.DEAD_ADDRESS, "406")
    assert [len(call) for call in mark.simulator.calls] == [2]


async def test_a_letter_says_what_the_vendor_asks_for(mark: Bench) -> None:
    (message,) = mark.alike(1, title="Parcel", body="On its way.", reply_to="help@example.test")
    files = (
        Attachment("invoice.pdf", "application/pdf", b"%PDF-1.7"),
        Attachment("logo.png", "image/png", b"png", "logo"),
    )
    content = replace(message.content, attachments=files)
    options = {"TrackOpens": True, "TemplateId": 1}
    message = replace(message, content=content, lane="bulk", options=options)
    await mark.provider.send([message])
    (taken,) = mark.simulator.taken
    said = msgspec.json.decode(taken.raw)
    assert (said["MessageStream"], said["ReplyTo"]) == ("news", "help@example.test")
    assert (said["TrackOpens"], "TemplateId" in said) == (True, False)
    headers = {each["Name"]: each["Value"] for each in said["Headers"]}
    assert headers["List-Unsubscribe"] == "<https://t.example/u/1>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [each["Name"] for each in said["Attachments"]] == ["invoice.pdf", "logo.png"]
    assert said["Attachments"][1]["ContentID"] == "cid:logo"


async def test_a_call_that_would_be_too_large_is_cut(mark: Bench) -> None:
    big = Attachment("a.bin", "application/octet-stream", bytes(CALL_BYTES_MAX // 4))
    message = mark.message(1)
    content = replace(message.content, attachments=(big,))
    outcomes = await mark.provider.send(
        [replace(mark.message(n), content=content) for n in (1, 2, 3, 4)]
    )
    assert all(isinstance(each, Accepted) for each in outcomes)
    assert sorted(len(call) for call in mark.simulator.calls) == [2, 2]


async def test_a_webhook_is_answered_as_postmark_wants_it(mark: Bench) -> None:
    told = mark.simulator.callback(["dlv_1"], ReceiptState.DELIVERED, NOW_MS)
    assert (await mark.provider.read_callback(told)).response.status == 200


async def test_without_a_password_no_webhook_is_believed() -> None:
    async with bench("postmark", callback_password=None) as mark:
        assert not mark.provider.flags.receipts
        told = mark.simulator.callback(["dlv_1"], ReceiptState.DELIVERED, NOW_MS)
        with pytest.raises(Unauthenticated):
            await mark.provider.read_callback(told)


BOUNCED = {"RecordType": "Bounce", "BouncedAt": "2026-01-05T00:40:02.0120000Z"}
CHANGED = {"RecordType": "SubscriptionChange", "ChangedAt": "2026-01-05T00:40:02-05:00"}


@pytest.mark.parametrize(
    ("event", "meant"),
    [
        ({**BOUNCED, "Type": "HardBounce"}, ("failed", "dead_address", True)),
        ({**BOUNCED, "Type": "SoftBounce"}, ("failed", "blocked", False)),
        ({**BOUNCED, "Type": "VirusNotification"}, ("failed", "bad_content", False)),
        ({**BOUNCED, "Type": "Transient"}, None),
        ({**BOUNCED, "Type": "AutoResponder"}, None),
        (
            {**CHANGED, "SuppressSending": True, "SuppressionReason": "ManualSuppression"},
            ("unsubscribed", "unsubscribed", False),
        ),
        ({**CHANGED, "SuppressSending": True, "SuppressionReason": "HardBounce"}, None),
        ({**CHANGED, "SuppressSending": False, "SuppressionReason": None}, None),
        ({"RecordType": "Inbound"}, None),
    ],
)
async def test_what_an_event_means(
    mark: Bench, event: dict[str, Any], meant: tuple[str, str, bool] | None
) -> None:
    body = msgspec.json.encode({**event, "Metadata": {"tocsin": "dlv_1"}})
    receipts = (await mark.provider.read_callback(mark.simulator.signed(body, NOW_MS))).receipts
    assert [(each.state, each.reason, each.dead_address) for each in receipts] == (
        [] if meant is None else [meant]
    )


LETTER = {
    "From": SENDER,
    "To": "bo@example.test",
    "Subject": "Hello",
    "TextBody": "It is on its way.",
    "Headers": [{"Name": "X-Shop", "Value": "1"}],
    "Metadata": {"tocsin": "dlv_1"},
}


@asynccontextmanager
async def client(mark: Bench, token: str = TOKEN) -> AsyncIterator[Any]:
    url = str(mark.settings["url"])
    async with postmark.ServerClient(token, retries=0, base_url=url) as one:
        yield one


async def test_postmarks_own_client_takes_the_simulator_for_postmark(mark: Bench) -> None:
    async with client(mark) as theirs:
        assert (await theirs.server.get()).delivery_type == "Sandbox"
        said = await theirs.outbound.send(LETTER)
        assert (said.success, said.to) == (True, "bo@example.test")
        assert int(said.submitted_at.timestamp() * 1_000) // 1_000 == NOW_MS // 1_000
        both = await theirs.outbound.send_batch([LETTER, {**LETTER, "To": "cy@example.test"}])
        assert [each.to for each in both] == ["bo@example.test", "cy@example.test"]
        mark.simulator.dial([Dial.DEAD_ADDRESS, Dial.THROTTLE, Dial.FAIL])
        with pytest.raises(postmark.InactiveRecipientException) as gone:
            await theirs.outbound.send(LETTER)
        assert gone.value.inactive_recipients == ["bo@example.test"]
        for wrong in (postmark.RateLimitException, postmark.ServerException):
            with pytest.raises(wrong):
                await theirs.outbound.send(LETTER)
        with pytest.raises(postmark.ValidationException):
            await theirs.outbound.send({**LETTER, "TextBody": None})
    async with client(mark, "other") as stranger:
        with pytest.raises(postmark.InvalidAPIKeyException):
            await stranger.outbound.send(LETTER)


async def test_what_ours_says_is_what_postmarks_own_client_would_say(mark: Bench) -> None:
    (message,) = mark.alike(1, title="Parcel", body="On its way.")
    file = Attachment("logo.png", "image/png", b"png", "logo")
    await mark.provider.send(
        [replace(message, content=replace(message.content, attachments=(file,)))]
    )
    said = msgspec.json.decode(mark.simulator.taken[0].raw)
    theirs = postmark.Email.model_validate(said, extra="forbid")
    assert theirs.model_dump(by_alias=True, exclude_none=True) == said


async def test_of_large_calls_no_more_fail_than_of_small_ones() -> None:
    dice = random.Random(3)
    async with bench("postmark", fraction=dice.random) as mark:
        await mark.simulator.set_faults(Faults(errors={"500": 0.1, "406": 0.1}))
        calls = [await mark.provider.send(mark.alike(100)) for _ in range(50)]
    failed = [call for call in calls if isinstance(call[0], TryLater)]
    assert 1 <= len(failed) <= 15
    gone = sum(isinstance(each, Refused) for call in calls for each in call)
    assert 250 <= gone <= 750


async def test_what_concerns_a_call_befalls_it_by_its_first_letter(mark: Bench) -> None:
    mark.simulator.dial([Dial.ACCEPT, Dial.THROTTLE, Dial.THROTTLE, Dial.ACCEPT])
    first, second = [await mark.provider.send(mark.alike(2)) for _ in range(2)]
    assert all(isinstance(each, Accepted) for each in first)
    assert [getattr(each, "reason", None) for each in second] == [ProviderReason.THROTTLED] * 2

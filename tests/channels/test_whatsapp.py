"""WhatsApp, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import pywa
from httpx import Client
from pywa.errors import ExpiredAccessToken, MessageUndeliverable, RateLimitHit

from tests.channels.chat_vendor import AT_MS, REFERENCE, Chat, playing
from tests.support.vendor_proxy import vendor_proxy
from tocsin.channels.chat.whatsapp.simulator import (
    APP_SECRET,
    NUMBER_ID,
    TOKEN,
    VERIFY_TOKEN,
    WhatsAppSimulator,
)
from tocsin.channels.chat.whatsapp.writing import quiet
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused
from tocsin.ports.receipts import Callback, ChannelWish, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial


@pytest.fixture
async def whatsapp() -> AsyncIterator[Chat]:
    async with playing("whatsapp") as found:
        yield found


def number_of(whatsapp: Chat) -> WhatsAppSimulator:
    assert isinstance(whatsapp.simulator, WhatsAppSimulator)
    return whatsapp.simulator


def sent(whatsapp: Chat) -> Any:
    """Return the body of the last call."""
    return msgspec.json.decode(whatsapp.simulator.messages()[0].raw.partition(b"\r\n\r\n")[2])


async def test_a_text_has_everything_that_the_step_says(whatsapp: Chat) -> None:
    assert await whatsapp.send(whatsapp.message(title="Disk *full*", body="a *b* c")) == Accepted()
    said = sent(whatsapp)
    assert (said["to"], said["type"]) == ("+12025550001", "text")
    assert said["biz_opaque_callback_data"] == REFERENCE
    assert said["text"] == {
        "body": "*Disk full*\na *\u2060b* c\n\nhttps://shop.test/1\nOpen: https://shop.test/open",
        "preview_url": False,
    }


async def test_a_picture_has_a_caption(whatsapp: Chat) -> None:
    await whatsapp.send(whatsapp.message(image="https://shop.test/i.png", body="x" * 9_000))
    said = sent(whatsapp)
    assert said["image"]["link"] == "https://shop.test/i.png"
    caption = said["image"]["caption"]
    assert len(caption) <= 1_024
    assert caption.endswith("Open: https://shop.test/open")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*b* _i_ ~s~ ```c```", "*\u2060b* _\u2060i_ ~\u2060s~ `\u2060`\u2060`\u2060c``\u2060`"),
        ("2 * 3, a_b_c", "2 * 3, a_b_c"),
        ("> quoted\n- item\n1. one", ">\u2060 quoted\n-\u2060 item\n1.\u2060 one"),
    ],
)
def test_data_is_no_markup(text: str, shown: str) -> None:
    assert quiet(text) == shown


async def test_the_longest_text_with_a_button_fits(whatsapp: Chat) -> None:
    message = whatsapp.message(body="👍🏽" * 5_000, acknowledge=True)
    assert await whatsapp.send(message) == Accepted()
    said = sent(whatsapp)["interactive"]
    assert said["action"]["buttons"] == [
        {"type": "reply", "reply": {"id": REFERENCE, "title": "Acknowledge"}}
    ]
    assert len(said["body"]["text"].encode("utf-16-le")) // 2 <= 1_024


async def test_a_template_is_filled_with_one_line_each(whatsapp: Chat) -> None:
    template = {
        "name": "alarm",
        "language": "pt-BR",
        "parameters": ["Disk full", "two\nlines", ""],
        "acknowledge_button": 0,
    }
    options = {"template": template}
    message = whatsapp.message(options=options, acknowledge=True)
    assert await whatsapp.send(message) == Accepted()
    said = sent(whatsapp)["template"]
    assert (said["name"], said["language"]) == ("alarm", {"code": "pt_BR"})
    filled, button = said["components"]
    assert [each["text"] for each in filled["parameters"]] == ["Disk full", "two lines", "–"]
    assert button["parameters"] == [{"type": "payload", "payload": REFERENCE}]
    await whatsapp.press()


async def test_presses_of_both_kinds_are_receipts(whatsapp: Chat) -> None:
    await whatsapp.send(whatsapp.message(acknowledge=True))
    await whatsapp.press()


async def test_what_became_of_it_is_told_by_our_reference(whatsapp: Chat) -> None:
    await whatsapp.send(whatsapp.message())
    for state in (ReceiptState.DELIVERED, ReceiptState.OPENED, ReceiptState.FAILED):
        callback = whatsapp.simulator.callback([REFERENCE], state, AT_MS)
        (receipt,) = (await whatsapp.provider.read_callback(callback)).receipts
        assert (receipt.reference, receipt.state, receipt.at_ms) == (REFERENCE, state, AT_MS)
        assert receipt.dead_address == (state is ReceiptState.FAILED)
    sent_only = number_of(whatsapp).told(
        {"statuses": [{"id": "w", "status": "sent", "biz_opaque_callback_data": REFERENCE}]}, AT_MS
    )
    assert not (await whatsapp.provider.read_callback(sent_only)).receipts


async def test_each_byte_of_a_webhook_is_signed(whatsapp: Chat) -> None:
    await whatsapp.send(whatsapp.message())
    callback = whatsapp.simulator.callback([REFERENCE], ReceiptState.DELIVERED, AT_MS)
    with pytest.raises(Unauthenticated):
        await whatsapp.provider.read_callback(replace(callback, body=callback.body + b" "))


async def test_who_writes_stop_or_stops_marketing_wants_no_more(whatsapp: Chat) -> None:
    number = number_of(whatsapp)
    stamp = str(AT_MS // 1_000)
    for value, wish in (
        (
            {"messages": [{"from": "1202", "timestamp": stamp, "text": {"body": " Stop"}}]},
            ChannelWish("+1202", False, AT_MS, "stop"),
        ),
        (
            {"messages": [{"from": "1202", "timestamp": stamp, "text": {"body": "START"}}]},
            ChannelWish("+1202", True, AT_MS, "start"),
        ),
        (
            {"user_preferences": [{"wa_id": "1202", "value": "stop", "timestamp": AT_MS // 1_000}]},
            ChannelWish("+1202", False, AT_MS, "stop"),
        ),
        (
            {"messages": [{"from_user_id": "US.1", "timestamp": stamp, "text": {"body": "stop"}}]},
            ChannelWish("US.1", False, AT_MS, "stop"),
        ),
        (
            {"user_preferences": [{"user_id": "US.ENT.1", "value": "resume", "timestamp": stamp}]},
            ChannelWish("US.ENT.1", True, AT_MS, "resume"),
        ),
    ):
        assert (await whatsapp.provider.read_callback(number.told(value, AT_MS))).wishes == [wish]


@pytest.mark.parametrize(
    ("address", "known_by"),
    [
        ("+12025550001", ["+12025550001", "US.712025550001"]),
        ("US.13491208655302741918", ["US.13491208655302741918"]),
    ],
)
async def test_somebody_in_the_sandbox_can_write(
    whatsapp: Chat, address: str, known_by: list[str]
) -> None:
    assert isinstance(await whatsapp.send(whatsapp.message(address)), Accepted)
    heard = []

    async def tell(callback: Any) -> Any:
        heard.append(await whatsapp.provider.read_callback(callback))
        return heard[-1].response

    (message,) = whatsapp.simulator.messages()
    await whatsapp.simulator.act(Deed(message.id, Action.REPLY, AT_MS, "stop"), tell)
    assert [wish.address for wish in heard[0].wishes] == known_by


async def test_who_hides_her_number_is_written_to_by_metas_id(whatsapp: Chat) -> None:
    await whatsapp.send(whatsapp.message("US.13491208655302741918"))
    (message,) = whatsapp.simulator.messages()
    sent = msgspec.json.decode(message.raw.partition(b"\r\n\r\n")[2])
    assert (sent.get("to"), sent["recipient"]) == (None, "US.13491208655302741918")
    callback = whatsapp.simulator.callback([REFERENCE], ReceiptState.DELIVERED, AT_MS)
    assert b"wa_id" not in callback.body
    (receipt,) = (await whatsapp.provider.read_callback(callback)).receipts
    assert receipt.reference == REFERENCE
    assert await whatsapp.send(whatsapp.message("US.not/an-id")) == Refused(
        ProviderReason.BAD_ADDRESS, "not a phone number"
    )


async def test_meta_asks_whether_the_webhook_is_ours(whatsapp: Chat) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158"}
    ask = Callback("GET", "/v1/callbacks/whatsapp", urlencode(query), {}, b"", AT_MS)
    assert (await whatsapp.provider.read_callback(ask)).response.body == b"1158"
    wrong = urlencode({**query, "hub.verify_token": "x"})
    with pytest.raises(Unauthenticated):
        await whatsapp.provider.read_callback(replace(ask, query=wrong))
    script = urlencode({**query, "hub.challenge": "<script>"})
    with pytest.raises(Malformed):
        await whatsapp.provider.read_callback(replace(ask, query=script))


async def test_nothing_of_metas_id_is_kept_for_it_holds_the_number(whatsapp: Chat) -> None:
    outcome = await whatsapp.send(whatsapp.message())
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id is None


async def test_another_token_is_the_operators_fault() -> None:
    async with playing("whatsapp", access_token="other") as whatsapp:
        outcome = await whatsapp.send(whatsapp.message())
        assert outcome == Refused(ProviderReason.OUR_FAULT, "190")


async def test_without_an_app_secret_there_is_no_button() -> None:
    async with playing("whatsapp", app_secret=None) as bare:
        await bare.send(bare.message(acknowledge=True))
        assert sent(bare)["type"] == "text"
        with pytest.raises(Unauthenticated):
            await bare.press()


async def test_another_client_takes_the_simulator_for_meta(
    whatsapp: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk(session: Client, other: Client) -> None:
        client = pywa.WhatsApp(NUMBER_ID, TOKEN, session=session, validate_updates=False)
        said = client.send_message("+12025550007", "hello", tracker="dlv_1")
        assert said.id.startswith("wamid.")
        buttons = [pywa.types.Button("Acknowledge", callback_data="dlv_2")]
        client.send_message("+12025550007", "hello", buttons=buttons, tracker="dlv_2")
        for refused in (MessageUndeliverable, RateLimitHit):
            with pytest.raises(refused):
                client.send_message("+12025550007", "hello")
        stranger = pywa.WhatsApp(NUMBER_ID, "other", session=other, validate_updates=False)
        with pytest.raises(ExpiredAccessToken):
            stranger.send_message("+12025550007", "hello")

    async with vendor_proxy(tmp_path, {"graph.facebook.com": whatsapp.simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        whatsapp.simulator.dial([Dial.ACCEPT, Dial.ACCEPT, Dial.DEAD_ADDRESS, Dial.THROTTLE])
        with Client() as session, Client() as other:
            await asyncio.to_thread(talk, session, other)
    one, two = whatsapp.simulator.taken
    assert (one.reference, one.address, one.text) == ("dlv_1", "+12025550007", "hello")
    assert two.fields["buttons"] == "Acknowledge"


async def test_another_client_reads_what_the_simulator_tells(whatsapp: Chat) -> None:
    await whatsapp.send(whatsapp.message(acknowledge=True))
    heard: list[Any] = []
    number = number_of(whatsapp)
    client = pywa.WhatsApp(server=None, app_secret=APP_SECRET, verify_token=VERIFY_TOKEN)
    for kind in (
        pywa.handlers.MessageStatusHandler,
        pywa.handlers.CallbackButtonHandler,
        pywa.handlers.MessageHandler,
    ):
        client.add_handlers(kind(lambda _, update: heard.append(update)))
    stop = {"from": "1202", "id": "w", "timestamp": "1", "type": "text", "text": {"body": "stop"}}
    for callback in (
        number.callback([REFERENCE], ReceiptState.DELIVERED, AT_MS),
        number.callback([REFERENCE], ReceiptState.FAILED, AT_MS),
        number.callback([REFERENCE], ReceiptState.ACKNOWLEDGED, AT_MS),
        number.told({"messages": [stop]}, AT_MS),
    ):
        signature = callback.headers["x-hub-signature-256"]
        assert client.webhook_update_validator(callback.body, signature) is None
        assert client.webhook_update_handler(callback.body) == ("ok", 200)
    delivered, failed, pressed, written = heard
    assert (delivered.status, delivered.tracker) == ("delivered", REFERENCE)
    assert isinstance(failed.error, MessageUndeliverable)
    assert (pressed.data, pressed.from_user.wa_id) == (REFERENCE, "12025550001")
    assert (written.text, written.from_user.wa_id) == ("stop", "1202")

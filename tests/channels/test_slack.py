"""Slack, on real sockets, with Slack's own client on the other side of either end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import Block
from slack_sdk.signature import SignatureVerifier
from slack_sdk.webhook import WebhookClient

from tests.channels.chat_vendor import AT_MS, NASTY, REFERENCE, Chat, playing
from tocsin.channels.chat.slack.callbacks import verify
from tocsin.channels.chat.slack.simulator import PERSON, SIGNING_SECRET, TOKEN, SlackSimulator
from tocsin.errors import Unauthenticated
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Dial, Faults

# The example of Slack's page on verifying requests.
VECTOR_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
VECTOR_S = 1_531_420_618
VECTOR_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmib"
    b"IGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
VECTOR = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


@pytest.fixture
async def slack() -> AsyncIterator[Chat]:
    async with playing("slack") as found:
        yield found


def sent(slack: Chat) -> Any:
    """Return the arguments of the last call."""
    return msgspec.json.decode(slack.simulator.messages()[0].raw.partition(b"\r\n\r\n")[2])


async def test_what_is_said_is_literal_and_shaped_as_slacks_client_has_it(slack: Chat) -> None:
    await slack.send(slack.message(acknowledge=True))
    said = sent(slack)
    rich, actions = said["blocks"]
    title, body = rich["elements"][0]["elements"]
    assert title == {
        "type": "link",
        "url": "https://shop.test/1",
        "text": "Disk full",
        "style": {"bold": True},
    }
    assert body == {"type": "text", "text": "\n" + NASTY}
    assert [each["action_id"] for each in actions["elements"]] == ["link-0", "acknowledge"]
    assert "<" not in said["text"]
    assert said["text"].startswith("Disk full: &lt;!channel&gt; @everyone")
    assert (said["parse"], said["link_names"], said["mrkdwn"]) == ("none", False, False)
    for ours, theirs in zip(said["blocks"], Block.parse_all(said["blocks"]), strict=True):
        assert theirs.to_dict() == ours


async def test_what_is_too_long_is_cut_and_nothing_is_said_with_a_blank(slack: Chat) -> None:
    await slack.send(
        slack.message(title="t" * 900, body="👩‍👩‍👧" * 6_000, image="https://shop.test/i.png")
    )
    rich, image, _ = sent(slack)["blocks"]
    assert image["image_url"] == "https://shop.test/i.png"
    title, body = rich["elements"][0]["elements"]
    assert len(title["text"]) == 250
    assert body["text"].endswith("👩‍👩‍👧…")
    assert len(body["text"].encode("utf-16-le")) // 2 <= 11_001
    await slack.id_of(slack.message(title="", body="", url=""))
    assert slack.simulator.standing(REFERENCE).said["text"] == ""


async def test_a_later_message_takes_the_place_of_an_earlier_one(slack: Chat) -> None:
    first = await slack.id_of(slack.message())
    again = await slack.id_of(slack.message(supersedes=first, body="solved"))
    assert again == first
    posted = slack.simulator.posted(first.partition(":")[2])
    assert posted is not None
    assert "solved" in str(posted.said)


async def test_what_cannot_be_edited_any_more_is_posted_anew(slack: Chat) -> None:
    first = await slack.id_of(slack.message())
    assert await slack.id_of(slack.message(supersedes="C0:1.2")) not in {first, "C0:1.2"}
    slack.simulator.dial([Dial.FAIL])
    outcome = await slack.send(slack.message(supersedes=first))
    assert outcome == TryLater(ProviderReason.OVERLOADED, known=False, detail="fatal_error")


async def test_a_press_is_a_receipt_and_is_shown(slack: Chat) -> None:
    place = await slack.id_of(slack.message(acknowledge=True))
    await slack.press()
    posted = slack.simulator.posted(place.partition(":")[2])
    assert posted is not None
    _, actions, context = posted.said["blocks"]
    assert [each["action_id"] for each in actions["elements"]] == ["link-0"]
    assert context["elements"][0]["text"] == f"✓ Acknowledged · <@{PERSON}>"


async def test_what_is_kept_of_a_press_names_nobody(slack: Chat) -> None:
    callback = slack.simulator.callback([REFERENCE], ReceiptState.ACKNOWLEDGED, AT_MS)
    assert PERSON.encode() in callback.body
    reading = await slack.provider.read_callback(callback)
    assert PERSON not in repr(reading.receipts)


async def test_another_button_says_nothing(slack: Chat) -> None:
    assert isinstance(slack.simulator, SlackSimulator)
    body = slack.simulator.callback([REFERENCE], ReceiptState.ACKNOWLEDGED, AT_MS).body
    other = slack.simulator.signed(body.replace(b"acknowledge", b"link-0"), AT_MS)
    assert not (await slack.provider.read_callback(other)).receipts


async def test_without_a_signing_secret_there_is_no_button(slack: Chat) -> None:
    async with playing("slack", signing_secret=None) as bare:
        await bare.send(bare.message(acknowledge=True))
        (elements,) = (b["elements"] for b in sent(bare)["blocks"] if b["type"] == "actions")
        assert [each["action_id"] for each in elements] == ["link-0"]
        assert not bare.provider.flags.receipts
        with pytest.raises(Unauthenticated):
            await bare.press()


async def test_an_incoming_webhook_takes_a_message_without_an_id(slack: Chat) -> None:
    assert isinstance(slack.simulator, SlackSimulator)
    hook = slack.simulator.hook(1)
    assert await slack.send(slack.message(hook)) == Accepted()
    (taken,) = slack.simulator.taken
    assert (taken.address, taken.reference) == (hook, REFERENCE)
    slack.simulator.dial([Dial.DEAD_ADDRESS, Dial.THROTTLE, Dial.REFUSE])
    assert await slack.send(slack.message(hook)) == Refused(
        ProviderReason.DEAD_ADDRESS, "no_service"
    )
    slow = TryLater(
        ProviderReason.THROTTLED, after_ms=30_000, detail="ratelimited", address_only=True
    )
    assert await slack.send(slack.message(hook)) == slow
    blocked = Refused(ProviderReason.BLOCKED, "action_prohibited")
    assert await slack.send(slack.message(hook)) == blocked


@pytest.mark.parametrize(
    "address", ["https://hooks.slack.com.evil.test/services/x", "https://evil.test/services/"]
)
async def test_no_other_url_is_called(slack: Chat, address: str) -> None:
    outcome = await slack.send(slack.message(address))
    assert isinstance(outcome, Refused)
    assert outcome.reason is ProviderReason.BAD_ADDRESS
    assert not slack.simulator.calls


async def test_without_a_token_only_webhooks_are_called() -> None:
    async with playing("slack", bot_token=None) as slack:
        outcome = await slack.send(slack.message())
        assert outcome == Refused(ProviderReason.OUR_FAULT, "no bot_token is configured")


async def test_slacks_own_client_takes_the_simulator_for_slack(slack: Chat) -> None:
    client = WebClient(token=TOKEN, base_url=str(slack.settings["api_url"]))
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*hello*"}}]

    def talk() -> None:
        assert client.auth_test()["user"] == "tocsin"
        said = client.chat_postMessage(channel="#canary-7", text="hello", blocks=blocks)
        assert said["ok"]
        client.chat_update(channel=said["channel"], ts=said["ts"], text="bye")
        for wrong, code in (({"channel": "C0", "ts": "1"}, "message_not_found"),):
            with pytest.raises(SlackApiError) as refused:
                client.chat_update(text="x", **wrong)
            assert refused.value.response["error"] == code
        stranger = WebClient(token="xoxb-other", base_url=client.base_url)
        for call in (stranger.auth_test, lambda: stranger.chat_postMessage(channel="C0", text="x")):
            with pytest.raises(SlackApiError) as refused:
                call()
            assert refused.value.response["error"] == "invalid_auth"

    await asyncio.to_thread(talk)
    await slack.simulator.set_faults(Faults(errors={"ratelimited": 0.0}))
    slack.simulator.dial([Dial.THROTTLE])
    with pytest.raises(SlackApiError) as slow:
        await asyncio.to_thread(client.chat_postMessage, channel="#canary-7", text="x")
    assert slow.value.response.status_code == 429
    assert slow.value.response.headers["retry-after"] == "30"


async def test_slacks_webhook_client_takes_it_too(slack: Chat) -> None:
    url = f"{slack.settings['hooks_url']}services/T0/B0/canary1"
    said = await asyncio.to_thread(WebhookClient(url).send, text="hello")
    assert (said.status_code, said.body) == (200, "ok")


class Then:
    def __init__(self, at_s: int) -> None:
        self._at_s = at_s

    def now(self) -> float:
        return self._at_s


async def test_signatures_are_slacks_own(slack: Chat) -> None:
    callback = slack.simulator.callback([REFERENCE], ReceiptState.ACKNOWLEDGED, AT_MS)
    theirs = SignatureVerifier(SIGNING_SECRET, Then(AT_MS // 1_000))
    assert theirs.is_valid_request(callback.body, dict(callback.headers))
    headers = {"x-slack-request-timestamp": str(VECTOR_S), "x-slack-signature": VECTOR}
    vector = Callback("POST", "/", "", headers, VECTOR_BODY, VECTOR_S * 1_000 + 299_000)
    verify(vector, VECTOR_SECRET)
    with pytest.raises(Unauthenticated):
        verify(vector, VECTOR_SECRET + "x")

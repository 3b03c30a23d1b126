"""Twilio's calls: TwiML, keys and endings, against Twilio's own client and TwiML reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import Gather, VoiceResponse

from tests.channels.phone import Phone as AnyPhone
from tests.contract.providers import AT_MS, REGISTRY
from tests.support.vendor_proxy import vendor_proxy
from tocsin.channels.twilio_played import ACCOUNT_SID, AUTH_TOKEN, form_of
from tocsin.channels.voice import CHANNEL
from tocsin.channels.voice.twilio.simulator import TwilioVoiceSimulator, heard_in
from tocsin.channels.voice.twilio.speech import Speech, language_for, prompts
from tocsin.config import RawTable
from tocsin.errors import Conflict, RequestRefused
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused
from tocsin.ports.provider import ProviderTools
from tocsin.ports.receipts import Callback, ReceiptState, Response
from tocsin.ports.simulator import Action, Deed
from tocsin.ports.transport import Answer, Call
from tocsin.wiring.channels import build_provider

SPEC = REGISTRY.spec("twilio_voice")


class Phone(AnyPhone[TwilioVoiceSimulator]):
    """One that Twilio calls."""

    kind = TwilioVoiceSimulator

    async def ring(self, body: str = "Disk full", locale: str | None = None) -> None:
        """Call somebody who is to acknowledge."""
        content = CHANNEL.shape({"body": body})
        message = replace(self.vendor.message(), content=content, acknowledge=True, locale=locale)
        (outcome,) = await self.vendor.provider.send([message])
        assert isinstance(outcome, Accepted)

    def receipts(self) -> list[tuple[ReceiptState, str, str]]:
        """Return state, reason and detail of all that was reported."""
        return [
            (each.state, each.reason, each.detail)
            for reading in self.readings
            for each in reading.receipts
        ]


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with Phone.opened() as found:
        yield found


async def test_the_key_acknowledges_and_is_thanked_for(phone: Phone) -> None:
    await phone.ring()
    assert await phone.does(Action.PRESS, "1") == prompts()["en"].thanks
    assert phone.receipts() == [
        (ReceiptState.DELIVERED, "delivered", ""),
        (ReceiptState.ACKNOWLEDGED, "acknowledged", "1"),
        (ReceiptState.DELIVERED, "delivered", ""),
    ]
    assert {each.reference for reading in phone.readings for each in reading.receipts} == {
        phone.vendor.message().reference
    }


async def test_another_key_is_asked_for_again_once(phone: Phone) -> None:
    await phone.ring()
    english = prompts()["en"]
    assert await phone.does(Action.PRESS, "7") == f"{english.press} {english.bye}"
    assert phone.receipts() == [(ReceiptState.DELIVERED, "delivered", "")] * 2


async def test_who_only_listens_acknowledges_nothing(phone: Phone) -> None:
    await phone.ring("Disk full.")
    english = prompts()["en"]
    text = f"Disk full. {english.press}"
    heard = await phone.does(Action.DELIVER)
    assert heard == f"{text} {text} {english.press} {english.bye}"
    assert phone.receipts() == [(ReceiptState.DELIVERED, "delivered", "")] * 2


async def test_a_call_that_nobody_waits_for_asks_for_no_key(phone: Phone) -> None:
    await phone.vendor.send()
    assert await phone.does(Action.DELIVER) == " ".join(["Hello. body-canary"] * 2)
    with pytest.raises(Conflict):
        await phone.does(Action.PRESS, "1")


@pytest.mark.parametrize(
    ("words", "reason", "detail", "dead"),
    [
        ("busy", "unanswered", "busy", False),
        ("no-answer", "unanswered", "no-answer", False),
        ("canceled", "unanswered", "canceled", False),
        ("machine", "unanswered", "machine", False),
        ("failed", "unreachable", "failed", False),
        ("404", "dead_address", "sip_404", True),
        ("603", "blocked", "sip_603", False),
        ("500", "unreachable", "failed", False),
    ],
)
async def test_how_a_call_may_end(
    phone: Phone, words: str, reason: str, detail: str, dead: bool
) -> None:
    await phone.ring()
    await phone.does(Action.BOUNCE, words)
    missed = reason in {"unanswered", "unreachable"}
    state = ReceiptState.UNANSWERED if missed else ReceiptState.FAILED
    assert phone.receipts() == [(state, reason, detail)]
    (receipt,) = phone.readings[-1].receipts
    assert (receipt.dead_address, receipt.attempt) == (dead, 1)


async def test_who_declines_is_busy(phone: Phone) -> None:
    await phone.ring()
    await phone.does(Action.DECLINE)
    assert phone.receipts() == [(ReceiptState.UNANSWERED, "unanswered", "busy")]


async def test_a_call_rings_until_a_callback_says_otherwise() -> None:
    async with Phone.opened(ring="20s") as phone:
        outcome = await phone.vendor.send()
        assert isinstance(outcome, Accepted)
        assert outcome.ringing_ms == 80_000
    async with Phone.opened(ring="20s", machine_detection=True) as phone:
        outcome = await phone.vendor.send()
        assert isinstance(outcome, Accepted)
        assert outcome.ringing_ms is not None
        assert outcome.ringing_ms > 80_000
        await phone.does(Action.DELIVER)
        # Somebody took it, and only the end says that it was a person.
        assert phone.receipts() == [(ReceiptState.DELIVERED, "delivered", "")]


async def test_what_is_said_is_escaped_and_in_the_callers_language(phone: Phone) -> None:
    await phone.ring('<Hangup/> & "x" \x00 ]]>', locale="de-AT")
    twiml = form_of(phone.simulator.messages()[0])["Twiml"]
    assert "Hangup/>" not in twiml
    heard = heard_in(twiml)
    assert heard.text.startswith('<Hangup/> & "x" ]]> Drücken Sie die 1')
    assert heard.language == "de-DE"
    assert await phone.does(Action.PRESS, "1") == prompts()["de"].thanks


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        (None, "en-GB"),
        ("", "en-GB"),
        ("xx", "en-GB"),
        ("en", "en-US"),
        ("en_AU", "en-AU"),
        ("de-CH", "de-DE"),
        ("pt-BR", "pt-BR"),
        ("pt", "pt-PT"),
        ("fr-ca", "fr-CA"),
    ],
)
def test_the_language_of_a_locale(locale: str | None, language: str) -> None:
    assert language_for(locale, "en-GB") == language


async def test_the_voice_is_the_operators_choice() -> None:
    async with Phone.opened(voices={"de-DE": "Polly.Vicki"}, machine_detection=True) as phone:
        await phone.ring(locale="de")
        form = form_of(phone.simulator.messages()[0])
        assert form["MachineDetection"] == "Enable"
        (say,) = ET.fromstring(form["Twiml"]).iter("Say")
        assert say.get("voice") == "Polly.Vicki"


def test_our_twiml_is_what_twilios_own_writer_writes() -> None:
    action = "https://tocsin.example/v1/callbacks/twilio_voice?reference=dlv_1&kind=key&at=1"
    theirs = VoiceResponse()
    gather = Gather(
        input="dtmf",
        num_digits=1,
        timeout=8,
        action_on_empty_result=True,
        method="POST",
        action=action,
    )
    gather.say("Fire & smoke <now>. Press 1 to acknowledge.", language="en-US", loop=2)
    theirs.append(gather)
    ours = Speech("en-US", None, 8_000).asked("Fire & smoke <now>.", action)
    assert ET.canonicalize(ours) == ET.canonicalize(str(theirs))


async def test_what_is_too_long_to_say_is_refused(phone: Phone) -> None:
    content = CHANNEL.shape({"body": "&" * 1_500})
    message = replace(phone.vendor.message(), content=content)
    (outcome,) = await phone.vendor.provider.send([message])
    assert isinstance(outcome, Refused)
    assert outcome.reason is ProviderReason.TOO_LARGE
    assert len(CHANNEL.shape({"body": "a" * 9_000}).fields["text"]) == 1_500


async def test_twilios_client_takes_our_simulator_for_twilio(
    phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vendor_proxy(tmp_path, {"api.twilio.com": phone.simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        calls = Client(ACCOUNT_SID, AUTH_TOKEN).calls
        twiml = VoiceResponse()
        twiml.say("Hello")
        made = await asyncio.to_thread(
            calls.create, to="+14155550001", from_="+15005550006", twiml=twiml
        )
        assert made.status == "queued"
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(
                calls.create, to="+15005550001", from_="+15005550006", twiml=twiml
            )
        assert refused.value.code == 21217


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (Action.DELIVER, ["initiated", "ringing", "in-progress", "completed"]),
        (Action.DECLINE, ["initiated", "ringing", "busy"]),
    ],
)
async def test_whoever_asks_hears_how_a_call_gets_on(
    phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Action, told: list[str]
) -> None:
    async with vendor_proxy(tmp_path, {"api.twilio.com": phone.simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        await asyncio.to_thread(
            Client(ACCOUNT_SID, AUTH_TOKEN).calls.create,
            to="+14155550001",
            from_="+15005550006",
            twiml="<Response><Say>Hello</Say></Response>",
            status_callback="https://tocsin.example/heard",
            status_callback_event=["initiated", "ringing", "answered", "completed"],
        )
    forms: list[dict[str, str]] = []

    async def hear(callback: Callback) -> Response:
        forms.append(dict(parse_qsl(callback.body.decode())))
        return Response()

    (call,) = phone.simulator.messages()
    await phone.simulator.act(Deed(call.id, action, AT_MS), hear)
    assert [each["CallStatus"] for each in forms] == told
    assert [each["SequenceNumber"] for each in forms] == [str(n) for n in range(len(told))]


async def test_twilios_validator_believes_every_request_of_our_simulator(phone: Phone) -> None:
    await phone.ring()
    await phone.does(Action.PRESS, "1")
    kinds = [dict(parse_qsl(each.query))["kind"] for each in phone.told]
    assert kinds == ["status", "key", "status"]
    for said in phone.told:
        fields = dict(parse_qsl(said.body.decode(), keep_blank_values=True))
        url = f"https://tocsin.example{urlsplit(said.path).path}?{said.query}"
        signature = said.headers["x-twilio-signature"]
        assert RequestValidator(AUTH_TOKEN).validate(url, fields, signature)


def test_a_channel_takes_numbers_only() -> None:
    assert CHANNEL.check_address("+4915100000001") == "+4915100000001"
    with pytest.raises(RequestRefused):
        CHANNEL.check_address("sip:ana@example.com")


async def test_a_server_that_twilio_cannot_reach_asks_for_nothing_to_come_back() -> None:
    table = RawTable("twilio_voice", {}, {}).with_values(
        {
            "account_sid": ACCOUNT_SID,
            "auth_token": AUTH_TOKEN,
            "sender": "+15005550006",
        },
        "test",
    )
    for url, reached in (
        ("http://127.0.0.1:8000/v1/callbacks/twilio_voice", False),
        ("http://localhost:8000/v1/callbacks/twilio_voice", False),
        ("https://10.0.0.1/v1/callbacks/twilio_voice", False),
        ("https://tocsin.example/v1/callbacks/twilio_voice", True),
    ):
        sent = Calls()
        tools = ProviderTools("twilio_voice", sent, lambda: AT_MS, partial(str, url))
        provider = build_provider(SPEC, table, tools).provider
        message = Message("dlv_1", "+14155550001", CHANNEL.shape({"body": "x"}), acknowledge=True)
        (outcome,) = await provider.send([message])
        assert isinstance(outcome, Accepted)
        assert (outcome.ringing_ms is not None) == reached
        assert (b"StatusCallback" in sent.bodies[0]) == reached
        assert (b"Gather" in sent.bodies[0]) == reached


class Calls:
    """A transport that nothing leaves: it says that a call was created."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def call(self, call: Call) -> Answer:
        self.bodies.append(call.body)
        return Answer(201, [], b'{"sid": "CA1"}')

    async def close(self) -> None:
        """Nothing is open."""

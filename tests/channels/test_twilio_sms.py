"""Twilio's texts: our signatures and our simulator against Twilio's own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from msgspec import structs
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.channels.phone import Phone as AnyPhone
from tests.contract.providers import AT_MS, REGISTRY
from tests.support.vendor_proxy import vendor_proxy
from tocsin.channels.sms import CHANNEL
from tocsin.channels.sms.twilio.simulator import TwilioSimulator
from tocsin.channels.twilio_account import signed_by
from tocsin.channels.twilio_played import ACCOUNT_SID, AUTH_TOKEN, form_of
from tocsin.config import Misconfigured
from tocsin.errors import RequestRefused, Unauthenticated
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import Callback, Reading, ReceiptState, Response
from tocsin.ports.simulator import Action, Deed, Dial, Faults

SPEC = REGISTRY.spec("twilio")
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
GATHERED = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
]
JSON = b'{"property": "value", "boolean": true}'
JSON_URL = f"{URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"


class Phone(AnyPhone[TwilioSimulator]):
    """One that Twilio reaches."""

    kind = TwilioSimulator

    def form(self) -> dict[str, str]:
        """Return what the newest message was sent by."""
        return form_of(self.simulator.messages(limit=1)[0])


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with Phone.opened() as found:
        yield found


@pytest.mark.parametrize(
    ("url", "fields", "body", "signature"),
    [
        (URL, GATHERED, b"", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (URL.replace(".com", ".com:443"), GATHERED, b"", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (
            URL,
            [("Sid", "CA123"), ("SidAccount", "AC123"), *(("Digits", n) for n in ("5678", "1234"))],
            b"",
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        (JSON_URL, [], JSON, "a9nBmqA0ju/hNViExpshrM61xv4="),
    ],
)
def test_the_published_signatures_are_recognised(
    url: str, fields: list[tuple[str, str]], body: bytes, signature: str
) -> None:
    assert signed_by("12345", signature, url, fields, body)
    assert signed_by("12345", signature, url, [*fields, *fields], body)
    assert not signed_by("12346", signature, url, fields, body)
    assert not signed_by("12345", signature, url + "0", fields, body)
    assert not signed_by("12345", signature, url, fields, body, "HMAC_MD5")


def test_a_port_counts_or_not_and_a_body_must_be_the_signed_one() -> None:
    with_port = "kvajT1Ptam85bY51eRf/AJRuM3w="
    assert signed_by("12345", with_port, URL, GATHERED, b"")
    assert signed_by("12345", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", URL, GATHERED, b"")
    assert not signed_by("12345", "a9nBmqA0ju/hNViExpshrM61xv4=", JSON_URL, [], JSON + b" ")


def test_a_signature_by_a_shared_key_is_twilios_own() -> None:
    made = RequestValidator("shared").compute_signature(URL, dict(GATHERED), "HMAC_SHA256")
    assert signed_by("shared", made, URL, GATHERED, b"", "HMAC_SHA256")
    assert not signed_by("shared", made, URL, GATHERED, b"")


async def test_twilios_validator_believes_our_simulator(phone: Phone) -> None:
    await phone.vendor.send()
    message = phone.vendor.message()
    for state in (ReceiptState.DELIVERED, ReceiptState.FAILED):
        said = phone.simulator.callback([message.reference], state, AT_MS)
        url = f"https://tocsin.example{said.path}?{said.query}"
        fields = dict(parse_qsl(said.body.decode(), keep_blank_values=True))
        signature = said.headers["x-twilio-signature"]
        assert RequestValidator(AUTH_TOKEN).validate(url, fields, signature)


async def test_twilios_client_takes_our_simulator_for_twilio(
    phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vendor_proxy(tmp_path, {"api.twilio.com": phone.simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        messages = Client(ACCOUNT_SID, AUTH_TOKEN).messages
        sent = await asyncio.to_thread(
            messages.create, to="+14155550001", from_="+15005550006", body="é" * 161
        )
        assert (sent.status, sent.num_segments, sent.direction) == ("queued", "2", "outbound-api")
        assert sent.sid is not None
        assert sent.sid.startswith("SM")
        await phone.simulator.set_faults(Faults(dead=("+14155550002",)))
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(
                messages.create, to="+14155550002", from_="+15005550006", body="x"
            )
        assert (refused.value.code, refused.value.status) == (21211, 400)
        strangers = Client(ACCOUNT_SID, "another token").messages
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(
                strangers.create, to="+14155550001", from_="+15005550006", body="x"
            )
        assert (refused.value.code, refused.value.status) == (20003, 401)
    assert set(proxy.asked) == {"api.twilio.com:443"}


async def test_what_is_sent(phone: Phone) -> None:
    message = structs.replace(phone.vendor.message(), expires_ms=AT_MS + 600_000)
    (outcome,) = await phone.vendor.provider.send([message])
    assert outcome == Accepted(f"SM{1:032x}")
    form = phone.form()
    status = urlsplit(form.pop("StatusCallback"))
    assert form == {
        "To": message.address,
        "From": "+15005550006",
        "Body": "Hello\nbody-canary",
        "ValidityPeriod": "600",
    }
    assert status.path == "/v1/callbacks/twilio"
    assert parse_qs(status.query)["reference"] == [message.reference]
    shown = phone.simulator.messages()[0].content
    assert (shown["encoding"], shown["segments"]) == ("GSM-7", "1")


async def test_who_it_is_from_depends_on_where_it_goes() -> None:
    service = "MG" + "0" * 32
    senders = {"+1": "+15005550006", "+1415": "+15005550007", "+49": "TOCSIN"}
    async with Phone.opened(sender=None, senders=senders, messaging_service_sid=service) as phone:
        for to, sender in (
            ("+14155550001", "+15005550007"),
            ("+12025550001", "+15005550006"),
            ("+4915100000001", "TOCSIN"),
            ("+447700900001", None),
        ):
            await phone.vendor.provider.send([structs.replace(phone.vendor.message(), address=to)])
            form = phone.form()
            assert form.get("From") == sender
            assert ("MessagingServiceSid" in form) == (sender is None)


async def test_a_country_without_a_sender_is_the_operators_fault() -> None:
    async with Phone.opened(sender=None, senders={"+49": "TOCSIN"}) as phone:
        outcome = await phone.vendor.send()
        assert isinstance(outcome, Refused)
        assert outcome.reason is ProviderReason.OUR_FAULT
    with pytest.raises(Misconfigured, match="sender"):
        async with Phone.opened(sender=None):
            pass
    with pytest.raises(Misconfigured, match="api_key_sid"):
        async with Phone.opened(api_key_sid="SK" + "0" * 32):
            pass


async def test_a_text_of_too_many_parts_is_not_sent() -> None:
    async with Phone.opened(segments_max=2) as phone:
        outcomes = [
            (await phone.vendor.provider.send([phone.about(text)]))[0]
            for text in ("a" * 306, "a" * 307, "я" * 134, "я" * 135)
        ]
        assert [isinstance(each, Accepted) for each in outcomes] == [True, False, True, False]
        assert isinstance(outcomes[1], Refused)
        assert outcomes[1].reason is ProviderReason.TOO_LARGE
        assert len(phone.simulator.calls) == 2


async def test_stop_and_start_are_wishes_and_twilio_keeps_to_them(phone: Phone) -> None:
    await phone.vendor.send()
    number = phone.vendor.message().address
    assert "unsubscribed" in await phone.does(Action.REPLY, " stop ")
    (wish,) = phone.readings[-1].wishes
    assert (wish.address, wish.wanted, wish.detail) == (number, False, "STOP")
    assert phone.readings[-1].response == Response(200, "text/xml", b"<Response/>")
    outcome = await phone.vendor.send()
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.detail) == (ProviderReason.BLOCKED, "400 21610")
    await phone.does(Action.REPLY, "START")
    (wish,) = phone.readings[-1].wishes
    assert (wish.address, wish.wanted) == (number, True)
    assert isinstance(await phone.vendor.send(), Accepted)


async def test_other_replies_wish_nothing(phone: Phone) -> None:
    await phone.vendor.send()
    for words in ("HELP", "please stop", "thanks", ""):
        await phone.does(Action.REPLY, words)
        assert phone.readings[-1] == Reading(response=Response(200, "text/xml", b"<Response/>"))


@pytest.mark.parametrize(
    ("code", "reason", "dead"),
    [
        ("30003", "unreachable", False),
        ("30005", "dead_address", True),
        ("30006", "dead_address", True),
        ("30007", "blocked", False),
        ("30034", "our_fault", False),
        ("39999", "unreachable", False),
    ],
)
async def test_what_the_carrier_reports(phone: Phone, code: str, reason: str, dead: bool) -> None:
    await phone.vendor.send()
    await phone.does(Action.BOUNCE, code)
    (receipt,) = phone.readings[-1].receipts
    assert (receipt.state, receipt.reason, receipt.dead_address, receipt.detail) == (
        ReceiptState.FAILED,
        reason,
        dead,
        code,
    )
    assert not phone.readings[-1].wishes


async def test_an_opt_out_that_the_carrier_reports_is_a_wish(phone: Phone) -> None:
    await phone.vendor.send()
    await phone.does(Action.BOUNCE, "21610")
    (wish,) = phone.readings[-1].wishes
    assert (wish.address, wish.wanted) == (phone.vendor.message().address, False)


async def test_a_callback_belongs_to_its_url(phone: Phone) -> None:
    await phone.vendor.send()
    said = phone.simulator.callback(
        [phone.vendor.message().reference], ReceiptState.DELIVERED, AT_MS
    )
    for query in ("", said.query.replace("status", "gather"), said.query + "&at=9"):
        with pytest.raises(Unauthenticated):
            await phone.vendor.provider.read_callback(replace(said, query=query))


def test_a_channel_takes_numbers_only() -> None:
    assert CHANNEL.check_address("+4915100000001") == "+4915100000001"
    for address in ("4915100000001", "+0151", "+49 151", "tel:+4915100000001", "+49" + "1" * 14):
        with pytest.raises(RequestRefused):
            CHANNEL.check_address(address)


def test_title_and_body_are_one_text() -> None:
    assert CHANNEL.shape({"title": "Fire", "body": "Leave"}).fields["text"] == "Fire\nLeave"
    assert CHANNEL.shape({"body": " a\r\nb\tc\x00 "}).fields["text"] == "a\nb c"
    assert CHANNEL.shape({"title": "Fire"}).fields["text"] == "Fire"
    assert len(CHANNEL.shape({"body": "a" * 2_000}).fields["text"]) == 1_600


@pytest.mark.parametrize(
    ("number", "code"),
    [("1", 21211), ("2", 21612), ("3", 21408), ("4", 21610), ("9", 21614)],
)
async def test_twilios_own_numbers_for_tests_are_answered_as_there(
    phone: Phone, number: str, code: int
) -> None:
    message = structs.replace(phone.vendor.message(), address=f"+1500555000{number}")
    (outcome,) = await phone.vendor.provider.send([message])
    assert isinstance(outcome, Refused)
    assert outcome.detail == f"400 {code}"


async def test_too_many_calls_at_a_time_are_not_taken(phone: Phone) -> None:
    phone.simulator.concurrent_max = 1
    phone.simulator.dial([Dial.STALL])
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(phone.vendor.send(1))
        await phone.simulator.until_called(1)
        second = await phone.vendor.send(2)
        phone.simulator.release()
    assert isinstance(second, TryLater)
    assert (second.reason, second.known) == (ProviderReason.THROTTLED, True)
    assert isinstance(first.result(), Accepted)
    assert len(phone.simulator.taken) == 1


@pytest.mark.parametrize("late", [False, True])
async def test_that_the_carrier_has_it_is_no_news_and_may_come_late(
    phone: Phone, late: bool
) -> None:
    await phone.vendor.send()
    said: list[Callback] = []

    async def tell(callback: Callback) -> Response:
        said.append(callback)
        return Response()

    newest = phone.simulator.messages(limit=1)[0]
    await phone.simulator.act(Deed(newest.id, Action.DELIVER, AT_MS), tell)
    statuses = [dict(parse_qsl(each.body.decode()))["MessageStatus"] for each in said]
    assert statuses == ["sent", "delivered"]
    for callback in reversed(said) if late else said:
        await phone.tell(callback)
    found = [each.state for reading in phone.readings for each in reading.receipts]
    assert found == [ReceiptState.DELIVERED]

"""Vonage's texts: our signatures and our simulator against Vonage's own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from msgspec import structs
from vonage import Auth, Vonage
from vonage_sms import SmsMessage
from vonage_sms.errors import PartialFailureError, SmsError

from tests.channels.phone import Phone as AnyPhone
from tests.contract.providers import AT_MS, REGISTRY
from tests.support.vendor_proxy import vendor_proxy
from tocsin.channels.sms.vonage.signing import Method, is_signed, signature
from tocsin.channels.sms.vonage.simulator import (
    API_KEY,
    API_SECRET,
    SIGNATURE_SECRET,
    VonageSimulator,
)
from tocsin.config import Misconfigured
from tocsin.errors import Unauthenticated
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.self_check import SelfCheck, Weight
from tocsin.ports.simulator import Action, Faults, Stage

SPEC = REGISTRY.spec("vonage")
FIELDS = {"param1": "value1", "param2": "value2", "timestamp": "1234567890"}


class Phone(AnyPhone[VonageSimulator]):
    """One that Vonage reaches."""

    kind = VonageSimulator

    def form(self) -> dict[str, str]:
        """Return what the newest message was sent by."""
        return dict(parse_qsl(self.body().decode()))


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with Phone.opened() as found:
        yield found


@pytest.mark.parametrize(
    ("fields", "method", "wanted"),
    [
        (FIELDS, "md5", "724c2bf6ca423c36e20631b11d1c5753"),
        (FIELDS, "sha256", "280c4320703dbc98bfa22db676655ed2acfbfe8792b062ff7622e67f1183c287"),
        (
            {**FIELDS, "param1": "value&1", "param2": "value=2"},
            "md5",
            "2bbf0abafb2c55e5af6231513896a2ac",
        ),
    ],
)
def test_the_published_signatures_are_ours(
    fields: dict[str, str], method: Method, wanted: str
) -> None:
    assert signature(fields, "signature_secret", method) == wanted
    assert is_signed({**fields, "sig": wanted.upper()}, "signature_secret", method)
    assert not is_signed({**fields, "sig": wanted}, "another", method)
    assert not is_signed(fields, "signature_secret", method)
    assert not is_signed({**fields, "sig": wanted, "more": ""}, "signature_secret", method)


@pytest.mark.parametrize("method", ["md5", "sha1", "sha256", "sha512"])
def test_vonages_client_signs_as_we_do(method: Method) -> None:
    theirs = Auth(api_key=API_KEY, signature_secret="s3cret", signature_method=method)
    fields = {"text": "a=b&c ü", "to": "447700900001", "timestamp": "1234567890"}
    assert theirs.sign_params(dict(fields)) == signature(fields, "s3cret", method)
    assert signature(fields, "s3cret", "md5hash") != signature(fields, "s3cret", "md5")


@pytest.mark.parametrize("method", ["md5hash", "md5", "sha1", "sha256", "sha512"])
async def test_vonages_client_believes_our_simulator_and_so_do_we(method: Method) -> None:
    async with Phone.opened(api_secret=None, signature_method=method) as phone:
        phone.simulator.signs_by = method
        assert isinstance(await phone.vendor.send(), Accepted)
        for state in (ReceiptState.DELIVERED, ReceiptState.FAILED):
            said = phone.simulator.callback([phone.vendor.message().reference], state, AT_MS)
            assert method == "md5hash" or _theirs(method).check_signature(_form(said))
            (receipt,) = (await phone.vendor.provider.read_callback(said)).receipts
            assert receipt.state is state
        phone.simulator.signs_by = "sha1" if method == "sha512" else "sha512"
        # The account's settings say otherwise than ours.
        outcome = await phone.vendor.send()
        assert outcome == Refused(ProviderReason.OUR_FAULT, "status 14")
        said = phone.simulator.callback([phone.vendor.message().reference], state, AT_MS)
        with pytest.raises(Unauthenticated):
            await phone.vendor.provider.read_callback(said)


def _theirs(method: Method) -> Auth:
    """Vonage's own client, which knows all methods but the oldest."""
    return Auth(api_key=API_KEY, signature_secret=SIGNATURE_SECRET, signature_method=method)


def _form(said: Callback) -> dict[str, str]:
    return dict(parse_qsl(said.body.decode()))


async def test_vonages_client_takes_our_simulator_for_vonage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        Phone.opened(Stage(fraction=lambda: 0.0)) as phone,
        vendor_proxy(tmp_path, {"rest.nexmo.com": phone.simulator.port}) as proxy,
    ):
        proxy.lead(monkeypatch)
        sms = Vonage(Auth(api_key=API_KEY, api_secret=API_SECRET)).sms
        plain = SmsMessage(to="447700900001", from_="TOCSIN", text="hello")
        sent = await asyncio.to_thread(sms.send, plain)
        assert (sent.message_count, sent.messages[0].status) == ("1", "0")
        await phone.simulator.set_faults(Faults(errors={"9": 1.0}))
        with pytest.raises(SmsError, match="Partner quota violation"):
            await asyncio.to_thread(sms.send, plain)
        await phone.simulator.set_faults(Faults(errors={"1": 1.0}))
        long = SmsMessage(to="447700900001", from_="TOCSIN", text="a" * 200)
        with pytest.raises(PartialFailureError):
            await asyncio.to_thread(sms.send, long)
    assert set(proxy.asked) == {"rest.nexmo.com:443"}


async def test_what_is_sent(phone: Phone) -> None:
    message = structs.replace(phone.about("Привет"), expires_ms=AT_MS + 5_000)
    assert await phone.vendor.provider.send([message]) == [Accepted(f"0A{1:010X}0000")]
    assert phone.form() == {
        "to": message.address[1:],
        "from": "TOCSIN",
        "text": "Привет",
        "type": "unicode",
        "client-ref": message.reference,
        "status-report-req": "1",
        "callback": "https://tocsin.example/v1/callbacks/vonage",
        "ttl": "20000",
    }
    assert len(phone.form()["callback"]) <= 100


async def test_a_request_may_be_signed_instead() -> None:
    async with Phone.opened(api_secret=None) as phone:
        assert isinstance(await phone.vendor.send(), Accepted)
        assert "api_secret" not in phone.form()
    async with Phone.opened(api_secret=None, signature_secret="another") as phone:
        outcome = await phone.vendor.send()
        assert outcome == Refused(ProviderReason.OUR_FAULT, "status 14")
    with pytest.raises(Misconfigured, match="api_secret"):
        async with Phone.opened(api_secret=None, signature_secret=None):
            pass


async def test_what_is_taken_in_part_may_have_been_taken() -> None:
    async with Phone.opened(Stage(fraction=lambda: 0.0)) as phone:
        await phone.simulator.set_faults(Faults(errors={"1": 1.0}))
        alone, in_parts = phone.about("short"), phone.about("a" * 200)
        (outcome,) = await phone.vendor.provider.send([alone])
        assert outcome == TryLater(ProviderReason.THROTTLED, after_ms=1_000, detail="status 1")
        (outcome,) = await phone.vendor.provider.send([in_parts])
        detail = "a part: status 1"
        assert outcome == TryLater(ProviderReason.THROTTLED, known=False, detail=detail)


@pytest.mark.parametrize(
    ("code", "reason", "dead"),
    [
        ("2", "unreachable", False),
        ("3", "dead_address", True),
        ("4", "blocked", False),
        ("9", "dead_address", True),
        ("77", "unreachable", False),
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
        f"failed {code}",
    )


@pytest.mark.parametrize("code", ["ana@example.com", "9" * 100, "²"])
async def test_words_in_the_place_of_a_code_are_not_kept(phone: Phone, code: str) -> None:
    await phone.vendor.send()
    fields = {"messageId": "m", "client-ref": "dlv_1", "status": "failed", "err-code": code}
    told = phone.simulator.signed(urlencode(fields).encode(), AT_MS)
    (receipt,) = (await phone.vendor.provider.read_callback(told)).receipts
    assert receipt.detail == "failed"


@pytest.mark.parametrize("way", ["POST", "GET", "POST-JSON"])
async def test_receipts_come_by_form_query_or_json(phone: Phone, way: str) -> None:
    await phone.vendor.send()
    phone.simulator.reports_by = way
    await phone.does(Action.DELIVER)
    await phone.does(Action.REPLY, "STOP")
    assert [each.method for each in phone.told] == [way.partition("-")[0]] * 2
    delivered, stopped = phone.readings
    assert [each.reference for each in delivered.receipts] == [phone.vendor.message().reference]
    assert len(stopped.wishes) == 1
    assert (delivered.response.status, stopped.response.status) == (200, 200)


async def test_what_is_not_final_says_nothing(phone: Phone) -> None:
    await phone.vendor.send()
    for status in ("accepted", "buffered", "unknown"):
        fields = {"messageId": "1", "status": status, "client-ref": "x"}
        reading = await phone.vendor.provider.read_callback(
            phone.simulator.signed(urlencode(fields).encode(), AT_MS)
        )
        assert not reading.receipts


async def test_stop_and_start_are_wishes(phone: Phone) -> None:
    await phone.vendor.send()
    number = phone.vendor.message().address
    for words, wanted in (("Stop", False), ("start", True)):
        await phone.does(Action.REPLY, words)
        (wish,) = phone.readings[-1].wishes
        assert (wish.address, wish.wanted, wish.detail) == (number, wanted, words.upper())
    await phone.does(Action.REPLY, "HELP")
    assert not phone.readings[-1].wishes


@pytest.mark.parametrize(
    ("shown", "at_ms"),
    [
        ("2030-03-17 17:46:30", AT_MS - 10_000),
        ("2030-03-17 17:46:50", AT_MS),
        ("yesterday", AT_MS),
    ],
)
async def test_a_word_counts_from_when_it_was_written(phone: Phone, shown: str, at_ms: int) -> None:
    await phone.vendor.send()
    fields = {"msisdn": "4477", "text": "STOP", "messageId": "0B1", "message-timestamp": shown}
    signed = phone.simulator.signed(urlencode(fields).encode(), AT_MS)
    (wish,) = (await phone.vendor.provider.read_callback(signed)).wishes
    assert (wish.at_ms, wish.message_id) == (at_ms, "0B1")


async def test_without_a_secret_no_callback_is_believed() -> None:
    async with Phone.opened(signature_secret=None) as phone:
        assert not phone.vendor.provider.flags.receipts
        await phone.vendor.send()
        assert "callback" not in phone.form()
        forged = Callback("POST", "/v1/callbacks/vonage", "", {}, b"messageId=1", AT_MS)
        with pytest.raises(Unauthenticated):
            await phone.vendor.provider.read_callback(forged)


async def test_it_is_seen_whether_the_account_takes_us_and_callbacks_are_believed() -> None:
    for values, weights in (
        ({}, [Weight.FINE]),
        ({"api_secret": "another"}, [Weight.PROBLEM]),
        ({"signature_secret": None}, [Weight.FINE, Weight.ADVICE]),
        ({"api_secret": None}, []),
    ):
        async with Phone.opened(**values) as phone:
            assert isinstance(phone.vendor.provider, SelfCheck)
            found = await phone.vendor.provider.check()
            assert [each.weight for each in found] == weights

"""Amazon's texts, by both of its APIs: its own client takes our simulator for it."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace

from tests.channels.phone import Phone as AnyPhone
from tests.contract.providers import AT_MS, REGISTRY
from tests.support.vendor_proxy import vendor_proxy
from tocsin.channels.aws_played import KEY_ID, REGION, SECRET
from tocsin.channels.replies import load_replies
from tocsin.channels.sms.sns.played import PUBLISH_ERRORS
from tocsin.channels.sms.sns.simulator import SnsSimulator
from tocsin.errors import Malformed
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Action, Faults, Stage

SPEC = REGISTRY.spec("sns")


class Phone(AnyPhone[SnsSimulator]):
    """One that SNS reaches."""

    kind = SnsSimulator


def client(name: str, secret: str = SECRET) -> Any:
    return boto3.client(name, REGION, aws_access_key_id=KEY_ID, aws_secret_access_key=secret)


async def test_amazons_client_takes_our_simulator_for_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Phone.opened() as phone:
        port = phone.simulator.port
        hosts = {f"{api}.{REGION}.amazonaws.com": port for api in ("sns", "sms-voice")}
        async with vendor_proxy(tmp_path, hosts) as proxy:
            proxy.lead(monkeypatch)
            sns, voice = client("sns"), client("pinpoint-sms-voice-v2")
            to = "+4915100000001"
            sent = await asyncio.to_thread(sns.publish, PhoneNumber=to, Message="hello")
            assert sent["MessageId"]
            sent = await asyncio.to_thread(
                voice.send_text_message, DestinationPhoneNumber=to, MessageBody="hello"
            )
            assert sent["MessageId"]
            with pytest.raises(sns.exceptions.InvalidParameterException, match="PhoneNumber"):
                await asyncio.to_thread(sns.publish, PhoneNumber="0151", Message="hello")
            with pytest.raises(voice.exceptions.ValidationException) as refused:
                await asyncio.to_thread(
                    voice.send_text_message, DestinationPhoneNumber="0151", MessageBody="hello"
                )
            assert refused.value.response["Reason"] == "INVALID_PARAMETER"
            assert refused.value.response["Fields"][0]["Name"] == "DestinationPhoneNumber"
            with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
                await asyncio.to_thread(
                    client("sns", "another").publish, PhoneNumber=to, Message="hello"
                )
    assert {each.removesuffix(":443") for each in proxy.asked} == set(hosts)


async def test_what_is_published() -> None:
    async with Phone.opened(api="sns", max_price=0.5) as phone:
        assert not phone.vendor.provider.flags.receipts
        assert isinstance(await phone.vendor.send(), Accepted)
        form = dict(parse_qsl(phone.body().decode()))
        names = [form[f"MessageAttributes.entry.{n}.Name"] for n in range(1, 5)]
        values = [form[f"MessageAttributes.entry.{n}.Value.StringValue"] for n in range(1, 5)]
        assert dict(zip(names, values, strict=True)) == {
            "AWS.SNS.SMS.SMSType": "Transactional",
            "AWS.SNS.SMS.SenderID": "TOCSIN",
            "AWS.SNS.SMS.MaxPrice": "0.50",
            "tocsin": phone.vendor.message().reference,
        }
        assert form["PhoneNumber"] == phone.vendor.message().address


async def test_what_end_user_messaging_is_sent() -> None:
    async with Phone.opened(message_type="promotional") as phone:
        message = replace(phone.vendor.message(), expires_ms=AT_MS + 60_000)
        (outcome,) = await phone.vendor.provider.send([message])
        assert outcome == Accepted("00000001-0000-4000-8000-000000000000")
        assert msgspec.json.decode(phone.body()) == {
            "DestinationPhoneNumber": message.address,
            "MessageBody": "Hello\nbody-canary",
            "MessageType": "PROMOTIONAL",
            "Context": {"tocsin": message.reference},
            "OriginationIdentity": "TOCSIN",
            "ConfigurationSetName": "sandbox",
            "TimeToLive": 60,
        }


async def test_every_error_of_sns_means_what_its_table_says() -> None:
    table = load_replies("tocsin.channels.sms.sns", "sns.toml")
    assert set(table.codes) == set(PUBLISH_ERRORS)
    async with Phone.opened(Stage(fraction=lambda: 0.0), api="sns") as phone:
        for code, reply in table.codes.items():
            await phone.simulator.set_faults(Faults(errors={code: 1.0}))
            outcome = await phone.vendor.send()
            detail = f"{PUBLISH_ERRORS[code][0]} {code}"
            assert outcome == reply.outcome(detail), code


async def test_a_reason_that_is_new_counts_as_its_error() -> None:
    async with Phone.opened() as phone:
        (outcome,) = await phone.vendor.provider.send([replace(phone.about("x"), address="+")])
        assert isinstance(outcome, Refused)
        assert outcome.reason is ProviderReason.DEAD_ADDRESS


async def test_what_sns_publishes_has_a_limit_of_bytes_too() -> None:
    async with Phone.opened(api="sns", segments_max=40) as phone:
        for body, fits in (("я" * 800, True), ("я" * 801, False)):
            (outcome,) = await phone.vendor.provider.send([phone.about(body)])
            assert isinstance(outcome, Accepted if fits else Refused)


@pytest.mark.parametrize(
    ("event", "reason", "dead"),
    [
        ("TEXT_INVALID", "dead_address", True),
        ("TEXT_UNREACHABLE", "unreachable", False),
        ("TEXT_CARRIER_BLOCKED", "blocked", False),
        ("TEXT_PROTECT_BLOCKED", "our_fault", False),
    ],
)
async def test_what_an_event_says(event: str, reason: str, dead: bool) -> None:
    async with Phone.opened() as phone:
        await phone.vendor.send()
        await phone.does(Action.BOUNCE, event)
        (receipt,) = phone.readings[-1].receipts
        assert (receipt.state, receipt.reason, receipt.dead_address, receipt.detail) == (
            ReceiptState.FAILED,
            reason,
            dead,
            event,
        )
        for early in ("TEXT_QUEUED", "TEXT_SENT", "TEXT_SUCCESSFUL", "TEXT_SOMETHING_NEW"):
            await phone.does(Action.BOUNCE, early)
            assert not phone.readings[-1].receipts


async def test_stop_and_start_are_wishes() -> None:
    async with Phone.opened() as phone:
        await phone.vendor.send()
        for words, wanted in (("Stop", False), ("START", True)):
            await phone.does(Action.REPLY, words)
            (wish,) = phone.readings[-1].wishes
            assert (wish.address, wish.wanted) == (phone.vendor.message().address, wanted)
        await phone.does(Action.REPLY, "HELP")
        assert not phone.readings[-1].wishes


async def test_a_reply_is_dated_by_when_it_was_published_not_by_when_it_was_posted() -> None:
    async with Phone.opened() as phone:
        await phone.vendor.send()
        await phone.does(Action.REPLY, "STOP")
        (said,) = phone.readings[-1].wishes
        posted_again = dataclasses.replace(phone.told[-1], received_ms=said.at_ms + 60_000)
        await phone.tell(posted_again)
        assert phone.readings[-1].wishes == [said]


async def test_an_event_about_nothing_is_malformed() -> None:
    async with Phone.opened() as phone:
        with pytest.raises(Malformed):
            await phone.tell(phone.simulator.signed(b'{"messageBody": "STOP"}', AT_MS))


async def test_throttling_is_known() -> None:
    async with Phone.opened(Stage(fraction=lambda: 0.0)) as phone:
        await phone.simulator.set_faults(Faults(errors={"ThrottlingException": 1.0}))
        outcome = await phone.vendor.send()
        detail = "400 ThrottlingException"
        assert outcome == TryLater(ProviderReason.THROTTLED, after_ms=1_000, detail=detail)

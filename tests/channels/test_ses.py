"""SES: the vendor's own client takes our simulator for it; what SNS posts is verified."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError
from msgspec import structs

from tests.channels.vendor_bench import NOW_MS, Bench, bench, reported
from tests.support.vendor_proxy import vendor_proxy
from tocsin.channels.aws_notices_played import TOKEN
from tocsin.channels.email.ses.account import findings
from tocsin.channels.email.ses.simulator import PER_DAY, PER_SECOND
from tocsin.channels.replies import load_replies
from tocsin.errors import Unauthenticated, Unavailable
from tocsin.ports.message import Attachment
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Action, Dial, Faults

HOST = "email.eu-central-1.amazonaws.com"


@pytest.fixture
async def ses() -> AsyncIterator[Bench]:
    async with bench("ses") as one:
        yield one


def client(ses: Bench, secret: str | None = None) -> Any:
    return boto3.client(
        "sesv2",
        str(ses.settings["region"]),
        aws_access_key_id=ses.settings["access_key_id"],
        aws_secret_access_key=secret or ses.settings["secret_access_key"],
    )


def bulk(name: str) -> dict[str, Any]:
    return {
        "Destination": {"ToAddresses": [f"{name}@example.test"]},
        "ReplacementEmailContent": {
            "ReplacementTemplate": {"ReplacementTemplateData": f'{{"name": "{name}"}}'}
        },
        "ReplacementTags": [{"Name": "tocsin", "Value": f"dlv_{name}"}],
    }


async def test_the_vendors_client_takes_the_simulator_for_the_vendor(
    ses: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simple = {
        "Subject": {"Data": "Hi"},
        "Body": {"Text": {"Data": "words"}, "Html": {"Data": "<p>words</p>"}},
    }
    template = {"Subject": "Hi", "Text": "You are {{{name}}}."}
    async with vendor_proxy(tmp_path, {HOST: ses.simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        mine, other = client(ses), client(ses, "another")
        one = await asyncio.to_thread(
            mine.send_email,
            FromEmailAddress="shop@example.test",
            Destination={"ToAddresses": ["ana@example.test"]},
            Content={"Simple": simple},
            EmailTags=[{"Name": "tocsin", "Value": "dlv_ana"}],
        )
        ses.simulator.dial([Dial.ACCEPT, Dial.REFUSE])
        two = await asyncio.to_thread(
            mine.send_bulk_email,
            FromEmailAddress="shop@example.test",
            DefaultContent={"Template": {"TemplateContent": template, "TemplateData": "{}"}},
            BulkEmailEntries=[bulk("bo"), bulk("cy")],
        )
        assert (await asyncio.to_thread(mine.get_account))["SendingEnabled"]
        with pytest.raises(ClientError) as wrong:
            await asyncio.to_thread(other.get_account)
        ses.simulator.dial([Dial.REFUSE])
        with pytest.raises(mine.exceptions.MessageRejected):
            await asyncio.to_thread(
                mine.send_email,
                FromEmailAddress="shop@example.test",
                Destination={"ToAddresses": ["ana@example.test"]},
                Content={"Simple": simple},
            )
    assert wrong.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    assert one["MessageId"]
    assert [each["Status"] for each in two["BulkEmailEntryResults"]] == [
        "SUCCESS",
        "MESSAGE_REJECTED",
    ]
    assert [(each.reference, each.fields["text"]) for each in ses.simulator.taken] == [
        ("dlv_ana", "words"),
        ("dlv_bo", "You are bo."),
    ]


async def test_a_single_letter_is_a_finished_one(ses: Bench) -> None:
    (message,) = ses.alike(1, title="Grüße", body="On its way.", reply_to="help@example.test")
    file = Attachment("invoice.pdf", "application/pdf", b"%PDF-1.7")
    message = structs.replace(
        message, content=structs.replace(message.content, attachments=(file,))
    )
    (outcome,) = await ses.provider.send([message])
    assert isinstance(outcome, Accepted)
    (taken,) = ses.simulator.taken
    letter = email.message_from_bytes(taken.raw, policy=email.policy.default)
    assert letter["Subject"] == "Grüße"
    assert letter["Reply-To"] == "help@example.test"
    assert letter["List-Unsubscribe"] == "<https://t.example/u/1>"


async def test_those_that_say_the_same_share_a_call_and_each_has_its_own_link(ses: Bench) -> None:
    messages = [*ses.alike(3), ses.message(4, title="Other", body="words")]
    outcomes = await ses.provider.send(messages)
    assert all(isinstance(each, Accepted) for each in outcomes)
    assert sorted(map(len, ses.simulator.calls)) == [1, 3]
    for n in (1, 2, 3):
        (mine,) = ses.simulator.messages(to=messages[n - 1].reference)
        for part in ("text", "html"):
            assert f"https://t.example/u/{n}" in mine.content[part]
            assert "{{" not in mine.content[part]
        (entry,) = msgspec.json.decode(mine.raw)["BulkEmailEntries"]
        headers = {each["Name"]: each["Value"] for each in entry["ReplacementHeaders"]}
        assert headers["List-Unsubscribe"] == f"<https://t.example/u/{n}>"
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


async def test_text_with_marks_of_a_template_goes_letter_by_letter(ses: Bench) -> None:
    await ses.provider.send(ses.alike(2, title="How to", body="Write {{name}}."))
    assert [len(call) for call in ses.simulator.calls] == [1, 1]
    assert all("Write {{name}}." in each.fields["text"] for each in ses.simulator.taken)


async def test_one_of_several_can_be_refused_alone(ses: Bench) -> None:
    ses.simulator.dial([Dial.ACCEPT, Dial.REFUSE])
    one, two = await ses.provider.send(ses.alike(2))
    assert isinstance(one, Accepted)
    assert two == Refused(ProviderReason.BAD_CONTENT, "MESSAGE_REJECTED")


async def test_every_status_of_one_of_several_is_known() -> None:
    entries = load_replies("tocsin.channels.email.ses", "entries.toml").codes
    model = boto3.client("sesv2", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
    documented = model.meta.service_model.shape_for("BulkEmailStatus").enum
    assert sorted(entries) == sorted(documented)


async def test_every_error_of_its_calls_is_known() -> None:
    codes = load_replies("tocsin.channels.email.ses").codes
    model = boto3.client("sesv2", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
    for name in ("SendEmail", "SendBulkEmail"):
        operation = model.meta.service_model.operation_model(name)
        assert {shape.name for shape in operation.error_shapes} <= set(codes)


async def test_a_daily_quota_waits_longer_than_a_rate(ses: Bench) -> None:
    waits = []
    for code in ("TooManyRequestsException", "ThrottlingException/daily"):
        await ses.simulator.set_faults(Faults(errors={code: 1.0}))
        ses.simulator._stage = replace(ses.simulator._stage, fraction=lambda: 0.0)
        (outcome,) = await ses.provider.send([ses.message()])
        assert isinstance(outcome, TryLater)
        waits.append(outcome.after_ms)
    assert waits == [1_000, 600_000]


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_subscription_to_a_topic_that_is_known_is_confirmed(
    ses: Bench, version: str
) -> None:
    notices = ses.simulator.notices
    notices.version = version
    asked = notices.envelope("ses", "You are asked to confirm.", NOW_MS, "SubscriptionConfirmation")
    assert not (await ses.provider.read_callback(asked)).receipts
    assert notices.confirmed == [TOKEN]
    told = ses.simulator.callback(["dlv_1"], ReceiptState.DELIVERED, NOW_MS)
    assert len((await ses.provider.read_callback(told)).receipts) == 1


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "Signature"])
async def test_any_field_that_was_changed_is_noticed(ses: Bench, field: str) -> None:
    told = ses.simulator.callback(["dlv_1"], ReceiptState.DELIVERED, NOW_MS)
    said = msgspec.json.decode(told.body)
    wrong = dict(said)
    wrong[field] = said[field][:-1] + ("0" if said[field][-1] != "0" else "1")
    with pytest.raises(Unauthenticated):
        await ses.provider.read_callback(replace(told, body=msgspec.json.encode(wrong)))


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.example.com/x.pem",
        "https://sns.eu-central-1.amazonaws.com.example.com/x.pem",
        "http://sns.eu-central-1.amazonaws.com/x.pem",
        "https://s3.amazonaws.com/x.pem",
        "",
    ],
)
async def test_a_certificate_from_elsewhere_is_not_fetched(ses: Bench, url: str) -> None:
    told = ses.simulator.callback(["dlv_1"], ReceiptState.DELIVERED, NOW_MS)
    said = {**msgspec.json.decode(told.body), "SigningCertURL": url}
    with pytest.raises(Unauthenticated):
        await ses.provider.read_callback(replace(told, body=msgspec.json.encode(said)))


async def test_a_certificate_that_is_not_there_is_asked_for_again_later(ses: Bench) -> None:
    told = ses.simulator.callback(["dlv_1"], ReceiptState.DELIVERED, NOW_MS)
    url = f"{ses.settings['url']}/other.pem"
    said = {**msgspec.json.decode(told.body), "SigningCertURL": url}
    with pytest.raises(Unavailable):
        await ses.provider.read_callback(replace(told, body=msgspec.json.encode(said)))


async def test_another_topic_is_not_believed() -> None:
    other = "arn:aws:sns:eu-central-1:123456789012:other"
    async with bench("ses", topics=[other]) as ses:
        told = ses.simulator.callback(["dlv_1"], ReceiptState.DELIVERED, NOW_MS)
        with pytest.raises(Unauthenticated):
            await ses.provider.read_callback(told)


EVENTS: list[tuple[dict[str, Any], tuple[str, str, bool] | None]] = [
    (
        {"eventType": "Bounce", "bounce": {"bounceType": "Permanent", "bounceSubType": "NoEmail"}},
        ("failed", "dead_address", True),
    ),
    (
        {
            "eventType": "Bounce",
            "bounce": {"bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList"},
        },
        ("failed", "blocked", False),
    ),
    (
        {
            "notificationType": "Bounce",
            "bounce": {"bounceType": "Transient", "bounceSubType": "MessageTooLarge"},
        },
        ("failed", "too_large", False),
    ),
    (
        {"eventType": "Bounce", "bounce": {"bounceType": "Undetermined", "bounceSubType": "x"}},
        ("failed", "blocked", False),
    ),
    (
        {"eventType": "Complaint", "complaint": {"complaintFeedbackType": "abuse"}},
        ("complained", "complained", False),
    ),
    ({"eventType": "Complaint", "complaint": {"complaintFeedbackType": "not-spam"}}, None),
    (
        {"eventType": "Reject", "reject": {"reason": "Bad content"}},
        ("failed", "bad_content", False),
    ),
    (
        {"eventType": "Rendering Failure", "failure": {"errorMessage": "x"}},
        ("failed", "bad_content", False),
    ),
    ({"eventType": "Send", "send": {}}, None),
    ({"eventType": "DeliveryDelay", "deliveryDelay": {"delayType": "MailboxFull"}}, None),
    (
        {
            "eventType": "Subscription",
            "subscription": {"newTopicPreferences": {"unsubscribeAll": True}},
        },
        ("unsubscribed", "unsubscribed", False),
    ),
    (
        {
            "eventType": "Subscription",
            "subscription": {"newTopicPreferences": {"unsubscribeAll": False}},
        },
        None,
    ),
]


@pytest.mark.parametrize(("event", "meant"), EVENTS)
async def test_what_an_event_means(
    ses: Bench, event: dict[str, Any], meant: tuple[str, str, bool] | None
) -> None:
    mail = {"timestamp": "2026-01-05T00:40:02.012Z", "tags": {"tocsin": ["dlv_1"]}}
    told = ses.simulator.signed(msgspec.json.encode({**event, "mail": mail}), NOW_MS)
    receipts = (await ses.provider.read_callback(told)).receipts
    assert [(each.state, each.reason, each.dead_address) for each in receipts] == (
        [] if meant is None else [meant]
    )


async def test_a_letter_of_somebody_elses_is_left_out(ses: Bench) -> None:
    event = {"eventType": "Delivery", "mail": {"timestamp": "2026-01-05T00:40:02.012Z"}}
    told = ses.simulator.signed(msgspec.json.encode(event), NOW_MS)
    assert not (await ses.provider.read_callback(told)).receipts


@pytest.mark.parametrize(
    ("said", "weight", "words"),
    [
        (b'{"SendingEnabled": false}', "problem", "does not let the account send"),
        (b'{"ProductionAccessEnabled": false}', "problem", "sandbox"),
        (b'{"EnforcementStatus": "PROBATION"}', "advice", "reviews the account"),
        (b'{"SendQuota": {"Max24HourSend": 200, "SentLast24Hours": 200}}', "problem", "used up"),
        (
            b'{"SendQuota": {"Max24HourSend": 200, "MaxSendRate": 14}}',
            "fine",
            "14 letters a second",
        ),
        (b"<html>", "problem", "cannot be read"),
    ],
)
def test_what_stands_in_the_way_of_an_account_is_said(said: bytes, weight: str, words: str) -> None:
    assert [each.weight for each in findings(said) if words in each.says] == [weight]


@pytest.mark.parametrize(
    ("name", "reports"),
    [
        ("success", [("delivered", False)]),
        ("bounce+order-7", [("failed", True)]),
        ("complaint", [("delivered", False), ("complained", False)]),
        ("suppressionlist", [("failed", False)]),
    ],
)
async def test_the_addresses_for_tries_do_what_their_names_say(
    ses: Bench, name: str, reports: list[tuple[str, bool]]
) -> None:
    address = f"{name}@simulator.amazonses.com"
    await ses.provider.send([structs.replace(ses.message(), address=address)])
    heard = await reported(ses, Action.DELIVER)
    assert [(state, dead) for state, _, dead in heard] == reports


async def test_who_has_bounced_is_on_the_list_of_those_who_get_nothing(ses: Bench) -> None:
    await ses.provider.send([ses.message()])
    await reported(ses, Action.BOUNCE)
    (again,) = await ses.provider.send([ses.message()])
    assert isinstance(again, Accepted)
    (dropped,) = await reported(ses, Action.DELIVER)
    assert dropped == ("failed", "Bounce Permanent/OnAccountSuppressionList 5.1.1", False)


async def test_the_account_has_a_rate_and_a_quota_of_a_day(
    ses: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [(await ses.provider.send([ses.message(n)]))[0] for n in range(PER_SECOND + 1)]
    assert all(isinstance(each, Accepted) for each in outcomes[:-1])
    assert isinstance(outcomes[-1], TryLater)
    assert outcomes[-1].detail == "429 TooManyRequestsException"
    async with vendor_proxy(tmp_path, {HOST: ses.simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        account = await asyncio.to_thread(client(ses).get_account)
    assert account["SendQuota"]["SentLast24Hours"] == PER_SECOND
    for _ in range(PER_DAY):
        ses.simulator.daily.take("", NOW_MS)
    (outcome,) = await ses.provider.send([ses.message()])
    assert isinstance(outcome, TryLater)
    assert outcome.after_ms == 600_000

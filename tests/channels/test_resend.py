"""Resend: what a call holds, how repeats are known, and what its webhooks mean."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import resend
from msgspec import structs
from resend.exceptions import ResendError
from standardwebhooks import Webhook

from tests.channels.vendor_bench import NOW_MS, Bench, bench, callback
from tocsin.adapters.system import SystemClock
from tocsin.channels.email.resend.options import ResendOptions
from tocsin.channels.email.resend.simulator import DOMAIN, KEY, KEYS_MS, SECRET, ResendSimulator
from tocsin.channels.simulating_http import Instead
from tocsin.config import Misconfigured
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Attachment
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.self_check import Finding, SelfCheck, Weight
from tocsin.ports.simulator import Dial, Faults, Stage

SENDER = f"hello@{DOMAIN}"


@pytest.fixture
async def sender() -> AsyncIterator[Bench]:
    async with bench("resend", from_name="Shop, Inc.") as one:
        yield one


@asynccontextmanager
async def at(stage: Stage) -> AsyncIterator[Bench]:
    """A sender whose vendor plays on *stage*."""
    simulator = ResendSimulator()
    try:
        played = await simulator.start(stage)
        async with bench("resend", url=played["url"]) as one:
            yield dataclasses.replace(one, simulator=simulator)
    finally:
        await simulator.close()


def said(sender: Bench) -> dict[str, Any]:
    """What the last call held."""
    found: dict[str, Any] = msgspec.json.decode(sender.simulator.taken[-1].raw)
    return found


# What a call holds


async def test_a_letter_says_what_the_vendor_asks_for(sender: Bench) -> None:
    (message,) = sender.alike(1, title="Parcel", body="On its way.", reply_to="help@example.test")
    files = (
        Attachment("invoice.pdf", "application/pdf", b"%PDF-1.7"),
        Attachment("logo.png", "image/png", b"png", "logo"),
    )
    content = structs.replace(message.content, attachments=files)
    options = {"tags": [{"name": "kind", "value": "parcel"}], "topic_id": "b6d24b8e"}
    await sender.provider.send([structs.replace(message, content=content, options=options)])
    letter = said(sender)
    assert letter["from"] == f'"Shop, Inc." <{SENDER}>'
    assert (letter["to"], letter["reply_to"]) == ([message.address], ["help@example.test"])
    assert letter["headers"]["List-Unsubscribe"] == "<https://t.example/u/1>"
    assert letter["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter["tags"] == [
        {"name": "tocsin", "value": message.reference},
        {"name": "kind", "value": "parcel"},
    ]
    assert letter["topic_id"] == "b6d24b8e"
    assert [each["filename"] for each in letter["attachments"]] == ["invoice.pdf", "logo.png"]
    assert base64.b64decode(letter["attachments"][0]["content"]) == b"%PDF-1.7"
    assert letter["attachments"][1]["content_id"] == "logo"


async def test_a_page_without_a_text_gets_none_from_the_vendor(sender: Bench) -> None:
    message = sender.message(1, title="Parcel", html="<img src='https://example.test/a.png'>")
    fields = {**message.content.fields, "text": ""}
    content = structs.replace(message.content, fields=fields)
    await sender.provider.send([structs.replace(message, content=content)])
    assert "a.png" in said(sender)["html"]
    assert said(sender)["text"] == ""


async def test_an_option_that_cannot_be_is_refused_before_the_call(sender: Bench) -> None:
    message = structs.replace(sender.message(), options={"tags": [{"name": "a b", "value": "c"}]})
    (outcome,) = await sender.provider.send([message])
    assert isinstance(outcome, Refused)
    assert (outcome.reason, sender.simulator.calls) == (ProviderReason.BAD_CONTENT, [])
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"tags": [{"name": "tocsin", "value": "x"}]}, ResendOptions)


# Repeats


async def test_every_attempt_is_the_same_call_so_that_the_vendor_knows_it(sender: Bench) -> None:
    sender.simulator.dial([Dial.TAKE_AND_DROP, Dial.THROTTLE])
    message = sender.message()
    outcomes = [
        (await sender.provider.send([structs.replace(message, attempt=n)]))[0] for n in (1, 2, 3, 4)
    ]
    assert [type(each) for each in outcomes] == [TryLater, TryLater, Accepted, Accepted]
    assert outcomes[2] == outcomes[3]
    assert len(sender.simulator.taken) == 1


async def test_a_letter_that_came_before_in_other_words_is_not_called_refused(
    sender: Bench,
) -> None:
    message, other = sender.message(1, title="One", body="a"), sender.message(1, title="Two")
    await sender.provider.send([message])
    (outcome,) = await sender.provider.send([other])
    assert isinstance(outcome, TryLater)
    assert (outcome.known, outcome.detail) == (False, "409 invalid_idempotent_request")


async def test_a_key_is_forgotten_after_a_day() -> None:
    now = [NOW_MS]
    async with at(Stage(now_ms=lambda: now[0])) as sender:
        for ms, taken in ((0, 1), (KEYS_MS, 1), (KEYS_MS + 1, 2)):
            now[0] = NOW_MS + ms
            await sender.provider.send([sender.message()])
            assert len(sender.simulator.taken) == taken


# Answers


async def test_a_quota_that_is_used_up_is_rested_for(sender: Bench) -> None:
    spent = [("ratelimit-remaining", "0"), ("ratelimit-reset", "2")]
    body = b'{"id": "ae2014de-c168-4c61-8267-70d2662a1ce1"}'
    sender.simulator.answer_instead(Instead(200, body, spent, taking=True))
    (outcome,) = await sender.provider.send([sender.message()])
    assert outcome == Accepted("ae2014de-c168-4c61-8267-70d2662a1ce1", 2_000)


@pytest.mark.parametrize(
    ("code", "after_ms"), [("rate_limit_exceeded", 1_000), ("daily_quota_exceeded", 3_600_000)]
)
async def test_what_is_too_much_says_when(code: str, after_ms: int) -> None:
    async with at(Stage(fraction=lambda: 0.0)) as sender:
        await sender.simulator.set_faults(Faults(errors={code: 1.0}))
        (outcome,) = await sender.provider.send([sender.message()])
    assert isinstance(outcome, TryLater)
    assert (outcome.reason, outcome.known) == (ProviderReason.THROTTLED, True)
    assert outcome.after_ms == after_ms


# Looking whether it works


async def look(sender: Bench) -> Finding:
    assert isinstance(sender.provider, SelfCheck)
    (found,) = await sender.provider.check()
    return found


async def test_a_domain_that_is_not_verified_is_a_problem(sender: Bench) -> None:
    assert (await look(sender)).weight is Weight.FINE
    async with bench("resend", from_address="hello@other.test") as stranger:
        found = await look(stranger)
    assert (found.weight, "not verified" in found.says) == (Weight.PROBLEM, True)


@pytest.mark.parametrize(
    ("listed", "weight"),
    [
        (b'{"data": [{"name": "sandbox.test", "status": "pending"}]}', Weight.PROBLEM),
        (b'{"data": [{"name": "Sandbox.Test", "status": "verified"}]}', Weight.FINE),
        (b'{"data": [{"name": "a.test", "status": "verified"}]}', Weight.PROBLEM),
        (b'{"data": [{"name": "a.test", "status": "verified"}], "has_more": true}', Weight.FINE),
    ],
)
async def test_a_domain_that_is_not_listed_may_be_on_the_next_page(
    sender: Bench, listed: bytes, weight: Weight
) -> None:
    sender.simulator.answer_instead(Instead(200, listed))
    assert (await look(sender)).weight is weight


async def test_a_key_that_may_only_send_is_enough(sender: Bench) -> None:
    body = b'{"statusCode": 401, "name": "restricted_api_key", "message": "Restricted."}'
    sender.simulator.answer_instead(Instead(401, body))
    assert (await look(sender)).weight is Weight.FINE
    async with bench("resend", key="re_other") as stranger:
        assert (await look(stranger)).weight is Weight.PROBLEM


# Webhooks


def signed(secret: str, event: dict[str, Any], at_ms: int = NOW_MS) -> Callback:
    """A webhook, signed by the package of Standard Webhooks under the names of Svix."""
    body = msgspec.json.encode(event)
    proof = Webhook(secret).sign("msg_1", datetime.fromtimestamp(at_ms / 1_000, UTC), body.decode())
    stamp = str(at_ms // 1_000)
    headers = {"svix-id": "msg_1", "svix-timestamp": stamp, "svix-signature": proof}
    return callback("resend", body, headers)


def event(kind: str, **data: object) -> dict[str, Any]:
    return {
        "type": kind,
        "created_at": "2026-01-05T00:40:02.894719+00:00",
        "data": {"email_id": "56761188", "tags": {"tocsin": "dlv_1"}, **data},
    }


def bounce(kind: str, sub: str) -> dict[str, Any]:
    said = {"message": "ana@example.test is unknown", "type": kind, "subType": sub}
    return event("email.bounced", bounce=said)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (event("email.delivered"), ("delivered", "delivered", False)),
        (event("email.opened"), ("opened", "opened", False)),
        (event("email.clicked", click={}), ("clicked", "clicked", False)),
        (event("email.complained"), ("complained", "complained", False)),
        (bounce("Permanent", "General"), ("failed", "dead_address", True)),
        (bounce("Permanent", "Suppressed"), ("failed", "dead_address", True)),
        (bounce("Permanent", "MessageRejected"), ("failed", "blocked", False)),
        (bounce("Transient", "MailboxFull"), ("failed", "blocked", False)),
        (bounce("Transient", "MessageTooLarge"), ("failed", "too_large", False)),
        (bounce("Undetermined", "Undetermined"), ("failed", "blocked", False)),
        (bounce("New", "Kind"), ("failed", "unreachable", False)),
        (event("email.suppressed"), ("failed", "blocked", False)),
        (
            event("email.failed", failed={"reason": "reached_daily_quota"}),
            ("failed", "our_fault", False),
        ),
        (event("email.failed", failed={"reason": "else"}), ("failed", "unreachable", False)),
        (event("email.sent"), None),
        (event("email.delivery_delayed"), None),
        (event("contact.created", tags=7), None),
        (event("email.delivered", tags={"kind": "parcel"}), None),
        (
            event("email.delivered", tags=[{"name": "tocsin", "value": "dlv_1"}]),
            ("delivered", "delivered", False),
        ),
    ],
)
async def test_what_an_event_means(
    sender: Bench, told: dict[str, Any], meant: tuple[str, str, bool] | None
) -> None:
    receipts = (await sender.provider.read_callback(signed(SECRET, told))).receipts
    assert [(each.state, each.reason, each.dead_address) for each in receipts] == (
        [] if meant is None else [meant]
    )
    assert all(each.reference == "dlv_1" for each in receipts)
    assert "ana@" not in repr(receipts)


async def test_a_secret_is_changed_without_losing_a_webhook() -> None:
    new = "whsec_" + base64.b64encode(bytes(range(24))).decode()
    async with bench("resend", webhook_secret=f"{new} {SECRET}") as sender:
        for secret in (new, SECRET):
            told = signed(secret, event("email.delivered"))
            assert (await sender.provider.read_callback(told)).receipts
        other = "whsec_" + base64.b64encode(bytes(24)).decode()
        with pytest.raises(Unauthenticated):
            await sender.provider.read_callback(signed(other, event("email.delivered")))
        both = signed(SECRET, event("email.delivered"))
        headers = {**both.headers, "svix-signature": f"v1,AAAA {both.headers['svix-signature']}"}
        assert (await sender.provider.read_callback(replace(both, headers=headers))).receipts


async def test_a_webhook_is_believed_for_five_minutes(sender: Bench) -> None:
    await sender.provider.read_callback(signed(SECRET, event("email.sent"), NOW_MS - 300_000))
    with pytest.raises(Unauthenticated):
        await sender.provider.read_callback(signed(SECRET, event("email.sent"), NOW_MS - 301_000))


async def test_without_a_secret_no_webhook_is_believed() -> None:
    async with bench("resend", webhook_secret=None) as sender:
        assert not sender.provider.flags.receipts
        with pytest.raises(Unauthenticated):
            await sender.provider.read_callback(signed(SECRET, event("email.delivered")))


async def test_a_secret_that_is_none_is_refused_without_its_value() -> None:
    with pytest.raises(Misconfigured) as refused:
        async with bench("resend", webhook_secret="canary"):
            pass
    assert "providers.resend.webhook_secret" in str(refused.value)
    assert "canary" not in str(refused.value)


# Resend's own client


@pytest.fixture
def theirs(sender: Bench) -> Iterator[None]:
    """Lead their client, which has its settings in its module, to the simulator."""
    before = resend.api_url, resend.api_key
    resend.api_url, resend.api_key = str(sender.settings["url"]), KEY
    yield
    resend.api_url, resend.api_key = before


LETTER: Any = {
    "from": SENDER,
    "to": ["bo@example.test"],
    "subject": "Hello",
    "text": "It is on its way.",
    "tags": [{"name": "tocsin", "value": "dlv_1"}],
}


async def send(letter: Any, key: str | None = None) -> Any:
    return await asyncio.to_thread(
        resend.Emails.send, letter, None if key is None else {"idempotency_key": key}
    )


async def refused(letter: Any, key: str | None = None) -> tuple[str, str]:
    with pytest.raises(ResendError) as wrong:
        await send(letter, key)
    return str(wrong.value.code), wrong.value.error_type


@pytest.mark.usefixtures("theirs")
async def test_resends_own_client_takes_the_simulator_for_resend(sender: Bench) -> None:
    domains = await asyncio.to_thread(resend.Domains.list)
    assert [(each["name"], each["status"]) for each in domains["data"]] == [(DOMAIN, "verified")]
    first = await send(LETTER, "welcome/1")
    assert first["http_headers"]["ratelimit-reset"] == "1"
    assert (await send(LETTER, "welcome/1"))["id"] == first["id"]
    assert (await send(LETTER, "welcome/2"))["id"] != first["id"]
    changed = {**LETTER, "subject": "Else"}
    assert await refused(changed, "welcome/1") == ("409", "invalid_idempotent_request")
    assert await refused(LETTER, "w" * 257) == ("400", "invalid_idempotency_key")
    assert await refused({**LETTER, "to": ["bo"]}) == ("422", "validation_error")
    assert await refused({**LETTER, "from": "bo"}) == ("422", "invalid_from_address")
    assert await refused({**LETTER, "subject": ""}) == ("422", "missing_required_field")
    assert await refused({**LETTER, "attachments": [{}]}) == ("422", "invalid_attachment")
    sender.simulator.dial([Dial.THROTTLE, Dial.FAIL])
    assert await refused(LETTER) == ("429", "rate_limit_exceeded")
    assert await refused(LETTER) == ("500", "internal_server_error")
    resend.api_key = "re_other"
    assert await refused(LETTER) == ("403", "invalid_api_key")


@pytest.mark.usefixtures("theirs")
async def test_what_ours_says_is_what_resends_own_client_would_say(sender: Bench) -> None:
    (message,) = sender.alike(1, title="Parcel", body="On its way.")
    file = Attachment("logo.png", "image/png", b"png", "logo")
    await sender.provider.send(
        [structs.replace(message, content=structs.replace(message.content, attachments=(file,)))]
    )
    ours = sender.simulator.taken[-1]
    await send(msgspec.json.decode(ours.raw), "theirs")
    again = sender.simulator.taken[-1]
    assert (again.reference, again.address, again.fields) == (
        "theirs",
        ours.address,
        ours.fields,
    )
    theirs = resend.Emails.SendParams
    assert set(said(sender)) <= theirs.__required_keys__ | theirs.__optional_keys__


async def test_resends_own_client_believes_the_simulators_webhooks(sender: Bench) -> None:
    now_ms = SystemClock().now_ms()
    told = sender.simulator.callback(["dlv_1"], ReceiptState.FAILED, now_ms)
    names = ("id", "timestamp", "signature")
    options: Any = {
        "payload": told.body.decode(),
        "headers": {name: told.headers[f"svix-{name}"] for name in names},
        "webhook_secret": SECRET,
    }
    read: Any = resend.Webhooks.verify(options)
    assert (read["type"], read["data"]["bounce"]["type"]) == ("email.bounced", "Permanent")
    with pytest.raises(ValueError, match="signature"):
        resend.Webhooks.verify({**options, "payload": options["payload"] + " "})
    with pytest.raises(Unauthenticated):
        await sender.provider.read_callback(replace(told, body=told.body + b" "))

"""Webhooks on real sockets, read by a verifier that shares no code with what signs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from email.utils import formatdate

import msgspec
import pytest
from msgspec import structs
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.receiver import CUT, HANG, Receiver, Seen, answer, receiver
from tests.support.waiting import with_time_for
from tocsin.adapters.system import SystemClock
from tocsin.channels.registry import Registry, folders
from tocsin.config import Misconfigured, Outbound, RawTable
from tocsin.domain.retry_after import RETRY_AFTER_MAX_MS, retry_after_ms
from tocsin.domain.webhook_signing import check_secrets, new_secret, signatures
from tocsin.errors import RequestRefused, Unauthenticated
from tocsin.ports.message import About, Content, Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater
from tocsin.ports.provider import Provider, ProviderTools
from tocsin.ports.receipts import Callback
from tocsin.wiring.channels import build_provider
from tocsin.wiring.clients import open_clients

SPEC = Registry(folders()).spec("webhook")
SECRET = "whsec_" + "canary" * 8
OLD_SECRET = "whsec_" + "yranac" * 8
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ABOUT = About(
    notification="ntf_" + "1" * 32,
    event="evt_" + "2" * 32,
    event_id="o-42",
    event_type="order.cancelled",
    source="shop",
    workflow="order.cancelled",
    recipient="warehouse",
    accepted_ms=1_900_000_000_123,
    data=b'{"order": 42, "note": "caf\\u00e9 \\"x\\""}',
    tenant="acme",
)
LOOPBACK = Outbound(allowed_networks=("127.0.0.0/8",))
Made = Callable[..., Provider]


@pytest.fixture
async def made() -> AsyncIterator[Made]:
    transports = []

    def one(outbound: Outbound = LOOPBACK, **values: object) -> Provider:
        transports.append(open_clients(outbound).ordinary)
        tools = ProviderTools("webhook", transports[-1], SystemClock().now_ms)
        table = RawTable("webhook", {}, {}).with_values(values, "test")
        return build_provider(SPEC, table, tools).provider

    yield one
    for each in transports:
        await each.close()


@pytest.fixture
def provider(made: Made) -> Provider:
    return made()


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


def now_s() -> int:
    return SystemClock().now_ms() // 1_000


def message(there: Receiver, secret: str | None = SECRET) -> Message:
    content = Content("Order 42", "It is cancelled: “now”.", {"url": "https://shop.example/42"})
    reference = "dlv_" + "3" * 40
    return Message(
        reference, there.url, content, secret=secret, trace=TRACE, category="orders", about=ABOUT
    )


def verify(secret: str, seen: Seen) -> object:
    return Webhook(secret).verify(seen.body, seen.headers)


async def send(provider: Provider, *messages: Message) -> ProviderOutcome:
    (outcome,) = await provider.send(messages)
    return outcome


async def test_a_receiver_reads_what_is_documented(provider: Provider, there: Receiver) -> None:
    assert await send(provider, message(there)) == Accepted()
    (seen,) = there.seen
    assert verify(SECRET, seen) == {
        "type": "notification",
        "timestamp": "2030-03-17T17:46:40.123Z",
        "data": {
            "id": ABOUT.notification,
            "delivery": "dlv_" + "3" * 40,
            "workflow": "order.cancelled",
            "event": {
                "id": ABOUT.event,
                "source_id": "o-42",
                "source": "shop",
                "type": "order.cancelled",
            },
            "recipient": "warehouse",
            "title": "Order 42",
            "body": "It is cancelled: “now”.",
            "url": "https://shop.example/42",
            "data": {"order": 42, "note": 'café "x"'},
            "category": "orders",
            "tenant": "acme",
        },
    }
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["webhook-id"] == "dlv_" + "3" * 40
    assert abs(int(seen.headers["webhook-timestamp"]) - now_s()) < 60
    assert seen.headers["traceparent"] == TRACE


async def test_every_attempt_has_the_same_id_and_body(provider: Provider, there: Receiver) -> None:
    there.say([answer(500)])
    for _ in range(2):
        await send(provider, message(there))
    first, second = there.seen
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


@pytest.mark.parametrize("known", [SECRET, OLD_SECRET])
async def test_while_a_secret_changes_both_verify(
    provider: Provider, there: Receiver, known: str
) -> None:
    await send(provider, message(there, f"{SECRET} {OLD_SECRET}"))
    (seen,) = there.seen
    verify(known, seen)
    with pytest.raises(WebhookVerificationError):
        verify("whsec_" + "other" * 8, seen)


async def test_what_was_changed_on_the_way_is_told(provider: Provider, there: Receiver) -> None:
    await send(provider, message(there))
    (seen,) = there.seen
    changes: Sequence[Seen] = [
        replace(seen, body=seen.body + b" "),
        replace(seen, headers={**seen.headers, "webhook-id": "dlv_other"}),
        replace(seen, headers={**seen.headers, "webhook-timestamp": str(now_s() + 9)}),
        replace(seen, headers={**seen.headers, "webhook-timestamp": "1600000000"}),
        replace(seen, headers={**seen.headers, "webhook-signature": "v1,AAAA"}),
    ]
    for changed in changes:
        with pytest.raises(WebhookVerificationError):
            verify(SECRET, changed)


async def test_an_address_without_a_secret_is_signed_by_the_settings(
    made: Made, there: Receiver
) -> None:
    await send(made(secret=OLD_SECRET), message(there, None))
    await send(made(secret=OLD_SECRET), message(there, SECRET))
    await send(made(), message(there, None))
    by_settings, by_own, unsigned = there.seen
    verify(OLD_SECRET, by_settings)
    verify(SECRET, by_own)
    assert "webhook-signature" not in unsigned.headers


async def test_a_relay_is_told_where_a_message_was_to_go(made: Made, there: Receiver) -> None:
    elsewhere = structs.replace(message(there), address="https://shop.example/a?b=c")
    assert await send(made(relay_url=there.url), elsewhere) == Accepted()
    assert there.seen[0].headers["webhook-destination"] == "https://shop.example/a?b=c"


async def test_a_trace_that_is_none_is_left_out(provider: Provider, there: Receiver) -> None:
    await send(provider, structs.replace(message(there), trace="00-zz\r\nx: y"))
    assert "traceparent" not in there.seen[0].headers
    assert "x" not in there.seen[0].headers


def _throttled(after_ms: int | None = None, detail: str = "429") -> TryLater:
    return TryLater(ProviderReason.THROTTLED, after_ms=after_ms, detail=detail)


def _failed(detail: str, after_ms: int | None = None, *, known: bool = False) -> TryLater:
    return TryLater(ProviderReason.OVERLOADED, known, after_ms, detail)


ANSWERS: Sequence[tuple[bytes, ProviderOutcome]] = (
    (answer(200, body=b"ok"), Accepted()),
    (answer(202), Accepted()),
    (answer(299), Accepted()),
    (answer(301, "Location: /x"), Refused(ProviderReason.BAD_ADDRESS, "301")),
    (answer(307, "Location: /x"), Refused(ProviderReason.BAD_ADDRESS, "307")),
    (answer(400), Refused(ProviderReason.BAD_CONTENT, "400")),
    (answer(401), Refused(ProviderReason.BLOCKED, "401")),
    (answer(403), Refused(ProviderReason.BLOCKED, "403")),
    (answer(404), Refused(ProviderReason.BAD_ADDRESS, "404")),
    (answer(410), Refused(ProviderReason.DEAD_ADDRESS, "410")),
    (answer(413), Refused(ProviderReason.TOO_LARGE, "413")),
    (answer(422), Refused(ProviderReason.BAD_CONTENT, "422")),
    (answer(429), _throttled()),
    (answer(429, "Retry-After: 30"), _throttled(30_000)),
    (answer(429, "Retry-After: soon"), _throttled()),
    (answer(408), _throttled(detail="408")),
    (answer(500), _failed("500")),
    (answer(502), _failed("502")),
    (answer(503), _failed("503")),
    (answer(503, "Retry-After: 7"), _failed("503", 7_000, known=True)),
    (answer(504, "Retry-After: 7"), _failed("504", 7_000)),
    (CUT, TryLater(ProviderReason.TIMED_OUT, known=False, detail="broken")),
    (b"nonsense\r\n\r\n", TryLater(ProviderReason.TIMED_OUT, known=False, detail="broken")),
)


@pytest.mark.parametrize(("said", "outcome"), ANSWERS)
async def test_what_an_answer_means(
    provider: Provider, there: Receiver, said: bytes, outcome: ProviderOutcome
) -> None:
    there.say([said])
    if said.startswith(b"nonsense"):
        there.say([said + b"connection: close"])
    assert await send(provider, message(there)) == outcome
    assert len(there.seen) == 1


async def test_no_answer_in_time_is_unknown(made: Made, there: Receiver) -> None:
    async def within(timeout_ms: int) -> ProviderOutcome:
        there.say([HANG])
        impatient = made(msgspec.structs.replace(LOOPBACK, timeout_ms=timeout_ms))
        return await send(impatient, message(there))

    said = await with_time_for(lambda: bool(there.seen), within)
    assert said == TryLater(ProviderReason.TIMED_OUT, known=False, detail="timed_out")


async def test_a_date_says_when_to_come_back(provider: Provider, there: Receiver) -> None:
    there.say([answer(429, f"Retry-After: {formatdate(now_s() + 120, usegmt=True)}")])
    said = await send(provider, message(there))
    assert isinstance(said, TryLater)
    assert said.after_ms is not None
    assert 60_000 < said.after_ms <= 121_000


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/"])
async def test_the_inside_is_refused_when_the_connection_is_made(
    made: Made, there: Receiver, url: str
) -> None:
    guarded = made(Outbound(ports=(80, 443, there.port)))
    inside = structs.replace(message(there), address=url.format(port=there.port))
    assert await send(guarded, inside) == Refused(ProviderReason.BAD_ADDRESS, "not_public")
    assert there.connections == 0


async def test_a_hundred_at_once_keep_their_answers_apart(
    provider: Provider, there: Receiver
) -> None:
    there.say([answer(410 if n % 3 == 0 else 200) for n in range(100)])
    messages = [structs.replace(message(there), reference=f"dlv_{n:040d}") for n in range(100)]
    outcomes = await asyncio.gather(*(send(provider, each) for each in messages))
    wanted = {
        seen.headers["webhook-id"]: Refused if n % 3 == 0 else Accepted
        for n, seen in enumerate(there.seen)
    }
    for each, outcome in zip(messages, outcomes, strict=True):
        assert isinstance(outcome, wanted[each.reference])


async def test_receivers_have_no_callbacks(provider: Provider) -> None:
    with pytest.raises(Unauthenticated):
        await provider.read_callback(Callback("POST", "/v1/callbacks/webhook", "", {}, b"[]", 0))


async def test_a_secret_in_the_settings_must_be_one(made: Made) -> None:
    with pytest.raises(Misconfigured, match="whsec_") as refused:
        made(secret="canary")
    assert "canary" not in str(refused.value)


def test_the_published_vector_is_signed_as_published() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signed = signatures(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_fresh_secret_is_one_that_verifiers_take() -> None:
    secret = check_secrets(new_secret(bytes(range(32))))
    signed = signatures(secret, "a", now_s(), b"{}")
    headers = {
        "webhook-id": "a",
        "webhook-timestamp": str(now_s()),
        "webhook-signature": signed,
    }
    assert Webhook(secret).verify(b"{}", headers) == {}


def test_a_secret_from_before_is_its_own_key() -> None:
    assert signatures("x" * 24, "a", 1, b"{}") == signatures(new_secret(b"x" * 24), "a", 1, b"{}")


@pytest.mark.parametrize("secret", ["", " ", "whsec_", "whsec_a b", f"{SECRET} ", "x" * 40])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(RequestRefused):
        check_secrets(secret)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, None),
        (b"", None),
        (b"0", 0),
        (b"120", 120_000),
        (b"-1", None),
        (b"1.5", None),
        (b"9" * 400, RETRY_AFTER_MAX_MS),
        (b"Sun, 17 Mar 2030 17:47:40 GMT", 60_000),
        (b"Sunday, 17-Mar-30 17:47:40 GMT", 60_000),
        (b"Sun, 17 Mar 2030 17:45:40 GMT", 0),
        (b"Sun, 17 Mar 2099 17:45:40 GMT", RETRY_AFTER_MAX_MS),
        (b"Sun, 99 Mar 2030 17:45:40 GMT", None),
        (b"\xff\xfe", None),
        (b"soon", None),
    ],
)
def test_when_to_come_back(value: bytes | None, wanted: int | None) -> None:
    assert retry_after_ms(value, 1_900_000_000_000) == wanted

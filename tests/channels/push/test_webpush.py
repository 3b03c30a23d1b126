"""Web Push on the wire: what browsers get, and what push services say."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from msgspec.structs import replace
from pywebpush import webpush

from tests.channels.push.support import NOW_MS, Played, send
from tocsin.channels.push.parts.jws import read_base64url
from tocsin.channels.push.webpush.browser import Browser
from tocsin.channels.push.webpush.provider import build
from tocsin.channels.push.webpush.settings import WebPushSettings
from tocsin.channels.push.webpush.simulator import PRIVATE_KEY, SUBJECT, WebPushSimulator
from tocsin.config import Secret
from tocsin.ports.message import Button, Content, Message
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.provider import Provider, ProviderTools
from tocsin.ports.simulator import Dial, Faults
from tocsin.ports.transport import Answer, Call

PROVIDER = "webpush"


@pytest.fixture
def service(played: Played) -> WebPushSimulator:
    assert isinstance(played.simulator, WebPushSimulator)
    return played.simulator


async def test_a_browser_reads_what_was_meant(played: Played, provider: Provider) -> None:
    message = played.message(
        fields={"url": "https://shop.example/1", "image": "https://shop.example/1.png"},
        badge=3,
        trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        options={"icon": "/i.png", "require_interaction": True, "data": {"a": [1]}},
    )
    outcome = await send(provider, message)
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id == "1"
    content = dict(played.arrived().content)
    assert content == {
        "tocsin": message.reference,
        "title": "Disk full",
        "body": "db-3 is at 97 %",
        "notification": "ntf_" + "1" * 32,
        "url": "https://shop.example/1",
        "image": "https://shop.example/1.png",
        "unseen": "3",
        "icon": "/i.png",
        "requireInteraction": "true",
        "data": '{"a":[1]}',
        "traceparent": message.trace,
        "ttl": str(28 * 86_400),
        "urgency": "normal",
    }


async def test_it_goes_over_http_2(played: Played, provider: Provider) -> None:
    await asyncio.gather(*(send(provider, played.message(n)) for n in range(20)))
    assert all(b" HTTP/2\r\n" in each.raw for each in played.simulator.messages())
    assert len(played.simulator.taken) == 20


async def test_a_message_is_kept_no_longer_than_it_is_true(
    played: Played, provider: Provider
) -> None:
    for expires_ms, ttl in ((NOW_MS + 90_500, "90"), (NOW_MS - 1, "0"), (NOW_MS * 2, "2419200")):
        await send(provider, played.message(expires_ms=expires_ms))
        assert played.arrived().content["ttl"] == ttl


async def test_a_later_message_takes_the_place_of_an_earlier(
    played: Played, provider: Provider
) -> None:
    for reference in ("dlv_first", "dlv_second"):
        message = played.message(fields={"collapse_key": "disk-db3 ✉"}, reference=reference)
        await send(provider, message)
    newest, oldest = played.simulator.messages()
    assert (oldest.replaces, newest.replaces) == (None, "dlv_first")
    assert newest.content["tag"] == "disk-db3 ✉"
    assert len(newest.content["topic"]) == 24


@pytest.mark.parametrize(
    ("lane", "urgency"), [("critical", "high"), ("transactional", "normal"), ("bulk", "low")]
)
async def test_how_urgent_it_is_follows_from_the_lane_unless_the_step_says(
    played: Played, provider: Provider, lane: str, urgency: str
) -> None:
    await send(provider, played.message(lane=lane))
    assert played.arrived().content["urgency"] == urgency
    await send(provider, played.message(lane=lane, options={"urgency": "very-low"}))
    assert played.arrived().content["urgency"] == "very-low"


async def test_a_long_text_is_cut_between_characters(played: Played) -> None:
    small = played.provider(payload_bytes_max=500)
    outcome = await send(small, played.message(fields={"body": "👩‍👩‍👧 é\n" * 190}))
    assert isinstance(outcome, Accepted)
    body = played.arrived().content["body"]
    assert body.endswith("…")
    assert not body.removesuffix("…").endswith("\u200d")
    assert "👩‍👩‍👧" in body


async def test_what_cannot_be_cut_is_refused_before_it_is_sent(played: Played) -> None:
    small = played.provider(payload_bytes_max=500)
    outcome = await send(small, played.message(options={"data": {"x": "y" * 600}}))
    assert outcome == Refused(ProviderReason.TOO_LARGE, "options")
    assert not played.simulator.messages()


async def test_options_that_cannot_be_are_refused_by_their_place(
    played: Played, provider: Provider
) -> None:
    outcome = await send(provider, played.message(options={"urgency": "canary"}))
    assert outcome == Refused(ProviderReason.BAD_CONTENT, "options urgency")


async def test_buttons_go_along(played: Played, provider: Provider) -> None:
    message = played.message()
    button = Button("Open", "https://a.example/")
    await send(provider, replace(message, content=replace(message.content, buttons=(button,))))
    assert played.arrived().content["actions"] == '[{"title":"Open","url":"https://a.example/"}]'


@pytest.mark.parametrize(
    "keys", [{"p256dh": "AAAA", "auth": "AAAA"}, {"p256dh": "B" * 87, "auth": "%"}, {}]
)
async def test_a_subscription_with_wrong_keys_is_a_bad_address(
    played: Played, provider: Provider, keys: dict[str, str]
) -> None:
    address = msgspec.json.encode({"endpoint": "https://push.example/x", "keys": keys}).decode()
    outcome = await send(provider, played.message(address=address))
    assert outcome == Refused(ProviderReason.BAD_ADDRESS, "subscription")


async def test_a_push_service_inside_is_never_called(played: Played) -> None:
    direct = played.provider(relay_url=None)
    address = played.message().address.replace("sandbox-push.example", "127.0.0.1:9")
    outcome = await send(direct, played.message(address=address))
    assert outcome == Refused(ProviderReason.BAD_ADDRESS, "forbidden")


class Heard:
    """A client that keeps what it is to call."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def call(self, call: Call) -> Answer:
        self.calls.append(call)
        return Answer(201)

    async def close(self) -> None:
        """Nothing is open."""


async def _called(endpoint: str, relay_url: str | None = None) -> Call:
    heard = Heard()
    key = Secret(PRIVATE_KEY)
    values = WebPushSettings(private_key=key, subject=SUBJECT, relay_url=relay_url)
    provider = build(values, ProviderTools("webpush", heard, lambda: NOW_MS))
    message = Message("dlv_1", Browser(endpoint).subscription(), Content("Disk full"))
    assert isinstance(await send(provider, message), Accepted)
    (call,) = heard.calls
    return call


@pytest.mark.parametrize(
    ("endpoint", "strange"),
    [
        ("https://fcm.googleapis.com/fcm/send/x:y", False),
        ("https://updates.push.services.mozilla.com/wpush/v2/x", False),
        ("https://web.push.apple.com/x", False),
        ("https://wns2-bl2p.notify.windows.com/w/?token=x", True),
        ("https://fcm.googleapis.com.push.example/x", True),
        ("https://fcm.googleapis.com@push.example/x", True),
        ("https://push.example/https://fcm.googleapis.com/x", True),
        ("https://fcm.googleapis.com:444/x", True),
        # The same host, in one of its 262,144 spellings.
        ("https://FCM.googleapis.com/x", True),
    ],
)
async def test_whoever_a_browser_names_is_strange_but_for_services_that_are_known(
    endpoint: str, strange: bool
) -> None:
    call = await _called(endpoint)
    assert (call.url, call.strange) == (endpoint, strange)


async def test_a_relay_is_not_strange_whoever_it_passes_messages_on_to() -> None:
    call = await _called("https://push.example/x", relay_url="https://relay.example/")
    assert (call.url, call.strange) == ("https://relay.example/", False)


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        ("https://Push.example:443/x/y", "https://push.example"),
        ("https://push.example:8443/x", "https://push.example:8443"),
        ("https://push.example", "https://push.example"),
        ("https://push.example?x=/y", "https://push.example"),
        ("http://p/x", "http://p"),
    ],
)
async def test_who_we_are_is_said_to_the_origin_alone(endpoint: str, origin: str) -> None:
    """RFC 8292, 2: scheme, host, and the port where it is not the usual one."""
    call = await _called(endpoint)
    (line,) = (each for each in call.headers if each.startswith("authorization: vapid t="))
    claims = line.split(".")[1]
    assert msgspec.json.decode(read_base64url(claims))["aud"] == origin


@pytest.mark.parametrize("n", [0, 1, 2])
async def test_each_service_says_in_its_own_way_that_nobody_is_there(
    played: Played, provider: Provider, n: int
) -> None:
    played.simulator.dial([Dial.DEAD_ADDRESS])
    outcome = await send(provider, played.message(n))
    assert outcome == Refused(ProviderReason.DEAD_ADDRESS, ("404", "errno_103", "410")[n])


async def test_a_dead_browser_is_named_by_its_url_too(played: Played, provider: Provider) -> None:
    endpoint = msgspec.json.decode(played.message().address)["endpoint"]
    await played.simulator.set_faults(Faults(dead=(endpoint,)))
    outcome = await send(provider, played.message())
    assert isinstance(outcome, Refused)
    assert outcome.reason is ProviderReason.DEAD_ADDRESS


async def test_who_subscribed_with_another_key_has_to_subscribe_anew(played: Played) -> None:
    other = played.provider(private_key="B" + "x" * 41 + "A")
    for n in range(3):
        assert isinstance(await send(played.provider(), played.message(n)), Accepted)
        outcome = await send(other, played.message(n))
        assert isinstance(outcome, Refused)
        assert outcome.reason is ProviderReason.DEAD_ADDRESS


async def test_a_signature_that_has_expired_is_our_fault(played: Played) -> None:
    provider = played.provider()
    await send(provider, played.message())
    frozen = played.now_ms
    late = played.provider()
    late._wall_ms = lambda: frozen  # type: ignore[attr-defined]  # its clock alone stands still
    late._identity._wall_ms = lambda: frozen  # type: ignore[attr-defined]  # as above
    played.now_ms += 13 * 3_600_000
    outcome = await send(late, played.message())
    assert outcome == Refused(ProviderReason.OUR_FAULT, "errno_109")
    assert isinstance(await send(provider, played.message()), Accepted)


async def test_a_throttled_browser_holds_up_no_other(played: Played, provider: Provider) -> None:
    played.simulator.dial([Dial.THROTTLE])
    outcome = await send(provider, played.message())
    assert outcome == TryLater(
        ProviderReason.THROTTLED, after_ms=30_000, detail="429", address_only=True
    )


async def test_another_implementation_sends_to_the_played_service(played: Played) -> None:
    where = f"https://127.0.0.1:{played.simulator.port}"
    subscribed = await asyncio.to_thread(_posted, where, str(played.settings["ca_file"]))
    answer = await asyncio.to_thread(_push, subscribed, str(played.settings["ca_file"]))
    assert (answer.status_code, "ttl" in answer.headers) == (201, False)
    assert played.arrived().content["body"] == "from elsewhere"


async def test_what_waits_too_long_is_kept_for_less_and_can_be_taken_back(
    played: Played, service: WebPushSimulator
) -> None:
    where, ca_file = f"https://127.0.0.1:{service.port}", str(played.settings["ca_file"])
    subscribed = await asyncio.to_thread(_posted, where, ca_file)

    async def pushed() -> tuple[str, str]:
        kept = await asyncio.to_thread(_push, subscribed, ca_file, 100_000_000)
        assert kept.status_code == 201
        return where + urlsplit(kept.headers["location"]).path, kept.headers["ttl"]

    async def taken_back(place: str) -> int:
        return await asyncio.to_thread(_taken_back, place, ca_file)

    shown, _ = await pushed()
    # It has arrived, as everything has for a browser that is there.
    assert await taken_back(shown) == 404
    service.away.add(str(subscribed["endpoint"]))
    place, ttl = await pushed()
    assert ttl == "2419200"
    assert [await taken_back(place) for _ in range(2)] == [204, 404]
    late, _ = await pushed()
    played.now_ms += 2_419_200_000
    assert await taken_back(late) == 404
    assert await taken_back(f"{where}/m/x") == 404


async def test_for_a_browser_that_is_away_a_message_waits_no_longer_than_it_is_true(
    played: Played, provider: Provider, service: WebPushSimulator
) -> None:
    endpoint = str(msgspec.json.decode(played.message().address)["endpoint"])
    service.away.add(endpoint)
    for reference, lasts_ms, key in (
        ("dlv_over", 0, ""),
        ("dlv_short", 60_000, ""),
        ("dlv_first", 90_000, "disk-db3"),
        ("dlv_long", 90_000, ""),
        ("dlv_second", 120_000, "disk-db3"),
    ):
        message = played.message(
            fields={"collapse_key": key} if key else {},
            reference=reference,
            expires_ms=NOW_MS + lasts_ms,
        )
        assert isinstance(await send(provider, message), Accepted)
    played.now_ms += 60_000
    assert service.come_back(endpoint) == ["dlv_long", "dlv_second"]
    assert service.come_back(endpoint) == []
    # Who is there is shown it at once, and nothing is left to wait.
    assert isinstance(await send(provider, played.message(reference="dlv_now")), Accepted)
    assert service.come_back(endpoint) == []


async def test_a_service_may_say_by_a_date_when_to_come_back(
    played: Played, provider: Provider
) -> None:
    played.drawn = 0.0
    await played.simulator.set_faults(Faults(errors={"429 dated": 1.0}))
    outcome = await send(provider, played.message())
    assert isinstance(outcome, TryLater)
    assert (outcome.reason, outcome.after_ms) == (ProviderReason.THROTTLED, 30_000)


_LIMIT_S = 30
"""Of a call to a server in this very process, which others may keep from running."""


def _posted(where: str, ca_file: str) -> dict[str, object]:
    import requests

    answer = requests.post(f"{where}/subscribe", verify=ca_file, timeout=_LIMIT_S)
    found: dict[str, object] = answer.json()
    return found


def _taken_back(place: str, ca_file: str) -> int:
    import requests

    status: int = requests.delete(place, verify=ca_file, timeout=_LIMIT_S).status_code
    return status


def _push(subscription: dict[str, object], ca_file: str, ttl_s: int = 60) -> Any:
    import requests

    session = requests.Session()
    session.verify = ca_file
    session.trust_env = False
    return webpush(
        subscription,
        '{"tocsin": "dlv_x", "body": "from elsewhere"}',
        vapid_private_key=PRIVATE_KEY,
        vapid_claims={"sub": SUBJECT, "exp": NOW_MS // 1_000 + 3_600},
        ttl=ttl_s,
        requests_session=session,
    )

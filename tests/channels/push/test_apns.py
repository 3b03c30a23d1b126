"""Apple's service on the wire: what devices get, and what Apple says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, ResponseReceived, StreamReset
from msgspec.structs import replace

from tests.channels.push.support import NOW_MS, Played, send
from tocsin.adapters.system import SystemClock
from tocsin.channels.push.apns.checking import Tokens
from tocsin.channels.push.apns.simulator import KEY_ID, PRIVATE_KEY, TEAM_ID, TOPICS, ApnsSimulator
from tocsin.channels.push.apns.token import ProviderToken
from tocsin.channels.push.parts.jws import read_p256_key
from tocsin.channels.simulating_http import Request
from tocsin.config import Misconfigured
from tocsin.ports.message import Button
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.provider import Provider
from tocsin.ports.simulator import Dial

PROVIDER = "apns"
MINUTE_MS = 60_000
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def payload(played: Played) -> dict[str, Any]:
    """What arrived last, as JSON."""
    found: dict[str, Any] = msgspec.json.decode(played.arrived().raw.partition(b"\r\n\r\n")[2])
    return found


def headers(played: Played) -> Mapping[str, str]:
    return {n: v for n, v in played.arrived().content.items() if n.startswith("apns-")}


async def test_a_device_gets_what_was_meant(played: Played, provider: Provider) -> None:
    message = played.message(
        fields={"url": "https://shop.example/1", "sound": "bell.caf", "collapse_key": "disk-db3"},
        badge=3,
        trace=TRACE,
        expires_ms=NOW_MS + 600_999,
        app=TOPICS[1],
        options={
            "thread_id": "db-3",
            "category": "ALERT",
            "relevance_score": 0.5,
            "data": {"a": 1},
        },
    )
    content = replace(message.content, buttons=(Button("Open", "https://a.example/"),))
    outcome = await send(provider, replace(message, content=content))
    assert payload(played) == {
        "a": 1,
        "aps": {
            "alert": {"title": "Disk full", "body": "db-3 is at 97 %"},
            "badge": 3,
            "sound": "bell.caf",
            "thread-id": "db-3",
            "category": "ALERT",
            "relevance-score": 0.5,
        },
        "tocsin": message.reference,
        "notification": "ntf_" + "1" * 32,
        "url": "https://shop.example/1",
        "actions": [{"title": "Open", "url": "https://a.example/"}],
        "traceparent": TRACE,
    }
    found = headers(played)
    assert outcome == Accepted(found["apns-id"])
    assert {name: value for name, value in found.items() if name != "apns-id"} == {
        "apns-topic": TOPICS[1],
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(NOW_MS // 1_000 + 600),
        "apns-collapse-id": "disk-db3",
    }
    assert played.arrived().raw.startswith(b"POST /3/device/")


@pytest.mark.parametrize(
    ("lane", "entitled", "aps", "priority"),
    [
        ("critical", False, {"interruption-level": "time-sensitive", "sound": "default"}, "10"),
        (
            "critical",
            True,
            {
                "interruption-level": "critical",
                "sound": {"critical": 1, "name": "default", "volume": 1.0},
            },
            "10",
        ),
        ("transactional", True, {"sound": "default"}, "10"),
        ("bulk", True, {"interruption-level": "passive"}, "5"),
    ],
)
async def test_how_loud_it_is_follows_from_the_lane(
    played: Played, lane: str, entitled: bool, aps: Mapping[str, object], priority: str
) -> None:
    provider = played.provider(critical_alerts=entitled)
    assert isinstance(await send(provider, played.message(lane=lane)), Accepted)
    shown = payload(played)["aps"]
    del shown["alert"]
    assert shown == aps
    assert headers(played)["apns-priority"] == priority


async def test_without_a_text_it_wakes_the_app_and_shows_nothing(
    played: Played, provider: Provider
) -> None:
    silent = played.message(
        fields={"title": "", "body": ""}, badge=2, options={"data": {"sync": True}, "priority": 10}
    )
    assert isinstance(await send(provider, silent), Accepted)
    assert payload(played) == {
        "sync": True,
        "aps": {"content-available": 1},
        "tocsin": silent.reference,
        "notification": "ntf_" + "1" * 32,
    }
    assert headers(played)["apns-push-type"] == "background"
    assert headers(played)["apns-priority"] == "5"


async def test_a_long_text_is_cut_between_characters(played: Played, provider: Provider) -> None:
    for text in ("x" * 2_000, "é" * 2_000, "\x01" * 2_000, '"' * 2_000, "👩‍👩‍👧" * 400):
        message = played.message(fields={"body": text, "url": "https://a.example/" + "y" * 1_500})
        assert isinstance(await send(provider, message), Accepted)
        sent = played.arrived().raw.partition(b"\r\n\r\n")[2]
        sent.decode("utf-8")
        assert len(sent) <= 4_096
        assert len(sent) > 4_050 or payload(played)["aps"]["alert"]["body"] == text


async def test_what_cannot_be_cut_is_refused(played: Played, provider: Provider) -> None:
    large = played.message(options={"data": {"x": "y" * 4_096}})
    assert await send(provider, large) == Refused(ProviderReason.TOO_LARGE, "options")


async def test_a_long_collapse_key_becomes_a_short_one(played: Played, provider: Provider) -> None:
    for key in ("x" * 65, "schlüssel", "a\nb"):
        assert isinstance(
            await send(provider, played.message(fields={"collapse_key": key})), Accepted
        )
        assert len(headers(played)["apns-collapse-id"]) == 43


async def test_one_token_serves_all_workers_and_is_renewed_in_time(played: Played) -> None:
    workers = [played.provider(), played.provider()]
    shown = []
    for _ in range(12):
        played.now_ms += 10 * MINUTE_MS
        for worker in workers:
            assert isinstance(await send(worker, played.message()), Accepted)
            raw = played.arrived().raw
            shown.append(raw.partition(b"authorization: ")[2].partition(b"\r\n")[0])
    assert shown[0::2] == shown[1::2]
    assert len(set(shown)) in (3, 4)


async def test_a_clock_that_is_wrong_is_our_fault(played: Played, provider: Provider) -> None:
    await send(provider, played.message())
    stuck = played.now_ms
    late = played.provider()
    late._token._wall_ms = lambda: stuck  # type: ignore[attr-defined]  # its clock alone stands
    played.now_ms += 70 * MINUTE_MS
    assert await send(late, played.message()) == Refused(
        ProviderReason.OUR_FAULT, "ExpiredProviderToken"
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"key_id": "OTHERKEY01"}, "InvalidProviderToken"),
        ({"team_id": "OTHERTEAM1"}, "InvalidProviderToken"),
        ({"private_key": "B" + "x" * 41 + "A"}, "InvalidProviderToken"),
        ({"topics": ["example.unknown"]}, "TopicDisallowed"),
    ],
)
async def test_what_is_set_wrongly_is_our_fault(
    played: Played, wrong: Mapping[str, object], reason: str
) -> None:
    outcome = await send(played.provider(**wrong), played.message())
    assert outcome == Refused(ProviderReason.OUR_FAULT, reason)


async def test_a_certificate_takes_the_place_of_a_key(played: Played) -> None:
    assert isinstance(played.simulator, ApnsSimulator)
    keyless = {"private_key": None, "key_id": None, "team_id": None}
    shown = played.provider(**keyless, certificate_file=played.simulator.client_file)
    assert isinstance(await send(shown, played.message()), Accepted)
    assert b"authorization" not in played.arrived().raw


@pytest.mark.parametrize(
    "missing", [{"key_id": None}, {"private_key": None, "key_id": None, "team_id": None}]
)
async def test_half_of_a_key_is_refused(played: Played, missing: Mapping[str, object]) -> None:
    with pytest.raises(Misconfigured, match="needs team_id"):
        played.provider(**missing)


@pytest.mark.parametrize(
    ("body", "says"),
    [(None, "cannot be read: No such file"), ("", "holds no"), ("-----BEGIN", "holds no")],
)
async def test_a_certificate_that_cannot_be_shown_is_refused(
    played: Played, tmp_path: Path, body: str | None, says: str
) -> None:
    file = tmp_path / "certificate.pem"
    if body is not None:
        file.write_text(body)
    keyless = {"private_key": None, "key_id": None, "team_id": None}
    with pytest.raises(Misconfigured, match=f"providers.apns.certificate_file {says}"):
        played.provider(**keyless, certificate_file=str(file))


async def test_a_device_that_registered_again_is_kept(played: Played, provider: Provider) -> None:
    assert isinstance(played.simulator, ApnsSimulator)
    played.simulator.dead_since_ms = NOW_MS - 5
    for registered_ms, reason in (
        (None, ProviderReason.DEAD_ADDRESS),
        (NOW_MS - 6, ProviderReason.DEAD_ADDRESS),
        (NOW_MS, ProviderReason.BAD_ADDRESS),
    ):
        played.simulator.dial([Dial.DEAD_ADDRESS])
        outcome = await send(provider, played.message(registered_ms=registered_ms))
        assert isinstance(outcome, Refused)
        assert outcome.reason is reason


async def test_a_device_with_too_many_messages_holds_up_no_other(
    played: Played, provider: Provider
) -> None:
    played.simulator.dial([Dial.THROTTLE])
    outcome = await send(provider, played.message())
    assert isinstance(outcome, TryLater)
    assert (outcome.address_only, outcome.known, outcome.after_ms) == (True, True, 10_000)


async def test_many_at_once_share_connections(played: Played, provider: Provider) -> None:
    outcomes = await asyncio.gather(*(send(provider, played.message(n)) for n in range(200)))
    assert all(isinstance(each, Accepted) for each in outcomes)
    assert len(played.simulator.taken) == 200


async def test_the_library_of_others_sends_to_the_played_service(played: Played) -> None:
    played.now_ms = SystemClock().now_ms()
    pem = read_p256_key(PRIVATE_KEY).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    # By a proxy it takes the socket away from its loop and hangs, so it is told where Apple is.
    here = type(
        "Here",
        (APNsProductionClientProtocol,),
        {"APNS_SERVER": "localhost", "APNS_PORT": played.simulator.port},
    )
    client = APNs(
        key=pem.decode(),
        key_id=KEY_ID,
        team_id=TEAM_ID,
        topic=TOPICS[0],
        ssl_context=ssl.create_default_context(cafile=str(played.settings["ca_file"])),
    )
    client.pool.protocol_class = here
    sent = await client.send_notification(
        NotificationRequest(
            device_token=played.simulator.address(1),
            message={"aps": {"alert": {"title": "From", "body": "elsewhere"}}, "tocsin": "r1"},
            push_type=PushType.ALERT,
            collapse_key="k",
        )
    )
    played.simulator.dial([Dial.DEAD_ADDRESS])
    dead = await client.send_notification(
        NotificationRequest(
            device_token=played.simulator.address(2), message={"aps": {"alert": "x"}}
        )
    )
    client.pool.close()
    assert (sent.status, dead.status, dead.description) == ("200", "410", "Unregistered")
    taken = played.simulator.taken[0]
    assert (taken.reference, taken.fields["body"]) == ("r1", "elsewhere")


def _shown(key_id: str, now_ms: int = NOW_MS, team_id: str = TEAM_ID) -> Request:
    """A call on the one connection, with a token of this key."""
    token = ProviderToken(read_p256_key(PRIVATE_KEY), key_id, team_id, lambda: now_ms).header()
    name, _, value = token.partition(": ")
    return Request("POST", "/", {name: value}, b"{}", b"", connection=1)


def test_a_connection_belongs_to_its_first_key_and_team() -> None:
    tokens = Tokens(PRIVATE_KEY, KEY_ID, TEAM_ID)
    assert tokens.check(_shown("OTHERKEY00"), NOW_MS) == "InvalidProviderToken"
    assert tokens.check(_shown(KEY_ID), NOW_MS) is None
    assert tokens.check(_shown("OTHERKEY00"), NOW_MS) == "UnrelatedKeyIdInToken"
    assert tokens.check(_shown(KEY_ID, team_id="OTHERTEAM0"), NOW_MS) == "InvalidProviderToken"


@pytest.mark.parametrize("word", ["BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken"])
async def test_a_key_of_the_other_environment_is_our_fault(
    played: Played, provider: Provider, word: str
) -> None:
    assert isinstance(played.simulator, ApnsSimulator)
    played.simulator.tokens.other_environment = word
    outcome = await send(provider, played.message())
    assert isinstance(outcome, TryLater | Refused)
    assert (outcome.reason, outcome.detail) == (ProviderReason.OUR_FAULT, word)


async def test_for_a_phone_that_is_off_the_newest_waits_until_it_expires(
    played: Played, provider: Provider
) -> None:
    assert isinstance(played.simulator, ApnsSimulator)
    phone = played.simulator.address(1)
    played.simulator.away.add(phone)
    until_ms = NOW_MS + 60_000
    for n, app in enumerate((TOPICS[0], TOPICS[0], TOPICS[1])):
        message = played.message(expires_ms=until_ms, app=app, reference=f"dlv_{n:040x}")
        assert isinstance(await send(provider, message), Accepted)
    assert played.simulator.come_back(phone, NOW_MS) == [f"dlv_{n:040x}" for n in (1, 2)]
    assert played.simulator.come_back(phone, NOW_MS) == []
    played.simulator.away.add(phone)
    await send(provider, played.message(expires_ms=until_ms))
    assert played.simulator.come_back(phone, until_ms) == []


async def test_before_the_first_token_was_taken_there_is_room_for_one_stream(
    played: Played,
) -> None:
    """Whoever does not wait to hear so has the others refused, and may ask for them again."""
    played.now_ms = NOW_MS
    token = _shown(KEY_ID).headers["authorization"]
    context = ssl.create_default_context(cafile=str(played.settings["ca_file"]))
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", played.simulator.port, ssl=context, server_hostname="localhost"
    )
    try:
        h2 = H2Connection()
        h2.initiate_connection()
        for n in (1, 2, 3):
            _ask(h2, f"/3/device/{played.simulator.address(n)}", token)
        assert await _ends(h2, reader, writer, 3) == {1: 200, 3: "refused", 5: "refused"}
        for n in (2, 3):
            _ask(h2, f"/3/device/{played.simulator.address(n)}", token)
        assert await _ends(h2, reader, writer, 2) == {7: 200, 9: 200}
    finally:
        writer.close()
        await writer.wait_closed()
    assert len(played.simulator.taken) == 3


def _ask(h2: H2Connection, path: str, token: str) -> None:
    stream = h2.get_next_available_stream_id()
    pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", path)]
    h2.send_headers(stream, [*pseudo, ("authorization", token), ("apns-topic", TOPICS[0])])
    h2.send_data(stream, b'{"aps":{"alert":"x"}}', end_stream=True)


async def _ends(
    h2: H2Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int
) -> dict[int, object]:
    """Return how so many streams end, by their numbers."""
    ends: dict[int, object] = {}
    while len(ends) < count:
        writer.write(h2.data_to_send())
        said = await reader.read(65_536)
        assert said, "the connection ended"
        for event in h2.receive_data(said):
            match event:
                case ResponseReceived(stream_id=int(stream), headers=[(_, status), *_]):
                    ends[stream] = int(status)
                case StreamReset(stream_id=int(stream), error_code=ErrorCodes.REFUSED_STREAM):
                    ends[stream] = "refused"
                case ConnectionTerminated() as over:
                    raise AssertionError(over)
                case _:
                    pass
    return ends

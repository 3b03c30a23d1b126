"""Firebase on the wire: what it gets, its tokens, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import firebase_admin
import msgspec
import pytest
from firebase_admin import credentials, messaging
from msgspec import structs

from tests.channels.push.support import NOW_MS, Played, send
from tests.support.vendor_proxy import Behind, vendor_proxy
from tocsin.adapters.system import SystemClock
from tocsin.channels.push.fcm.simulator import FcmSimulator
from tocsin.channels.push.fcm.topics import Topics
from tocsin.channels.simulating_http import Request
from tocsin.config import Misconfigured
from tocsin.ports.message import Button
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.provider import Provider
from tocsin.ports.simulator import Faults

PROVIDER = "fcm"
MINUTE_MS = 60_000
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def google(played: Played) -> FcmSimulator:
    assert isinstance(played.simulator, FcmSimulator)
    return played.simulator


def sent(played: Played) -> dict[str, Any]:
    """What arrived last, as JSON."""
    found: dict[str, Any] = msgspec.json.decode(played.arrived().raw.partition(b"\r\n\r\n")[2])
    return found


async def test_a_device_gets_what_was_meant(played: Played) -> None:
    provider = played.provider(platforms=["android", "apns", "webpush"])
    message = played.message(
        fields={"url": "https://shop.example/1", "sound": "bell", "collapse_key": "disk-db3"},
        badge=3,
        trace=TRACE,
        expires_ms=NOW_MS + 600_999,
        options={
            "data": {"kind": "alert"},
            "analytics_label": "alerts",
            "android": {"notification": {"channel_id": "alerts", "visibility": "PRIVATE"}},
            "apns": {"payload": {"aps": {"category": "ALERT"}}},
        },
    )
    content = structs.replace(message.content, buttons=(Button("Open", "https://a.example/"),))
    assert await send(provider, structs.replace(message, content=content)) == Accepted("0:1%31bd")
    assert sent(played) == {
        "message": {
            "token": message.address,
            "notification": {"title": "Disk full", "body": "db-3 is at 97 %"},
            "data": {
                "kind": "alert",
                "tocsin": message.reference,
                "notification": "ntf_" + "1" * 32,
                "url": "https://shop.example/1",
                "actions": '[{"title":"Open","url":"https://a.example/"}]',
                "traceparent": TRACE,
            },
            "android": {
                "priority": "high",
                "collapse_key": "disk-db3",
                "ttl": "600s",
                "notification": {
                    "channel_id": "alerts",
                    "tag": "disk-db3",
                    "sound": "bell",
                    "notification_count": 3,
                    "visibility": "PRIVATE",
                },
            },
            "apns": {
                "headers": {
                    "apns-expiration": str(NOW_MS // 1_000 + 600),
                    "apns-collapse-id": "disk-db3",
                },
                "payload": {"aps": {"sound": "bell", "badge": 3, "category": "ALERT"}},
            },
            "webpush": {
                "headers": {"TTL": "600", "Urgency": "normal"},
                "fcm_options": {"link": "https://shop.example/1"},
            },
            "fcm_options": {"analytics_label": "alerts"},
        }
    }


async def test_an_installation_is_named_by_its_id(played: Played) -> None:
    assert isinstance(await send(played.provider(target="fid"), played.message()), Accepted)
    assert sent(played)["message"]["fid"] == played.message().address
    assert "token" not in sent(played)["message"]


async def test_without_a_text_it_wakes_the_app_and_shows_nothing(
    played: Played, provider: Provider
) -> None:
    silent = played.message(fields={"title": "", "body": ""}, options={"data": {"sync": "1"}})
    assert isinstance(await send(provider, silent), Accepted)
    found = sent(played)["message"]
    assert "notification" not in found
    assert found["data"]["sync"] == "1"
    assert found["apns"] == {
        "headers": {"apns-priority": "5"},
        "payload": {"aps": {"content-available": 1}},
    }


async def test_a_long_text_is_cut_to_what_google_takes(played: Played, provider: Provider) -> None:
    for text in ("x" * 2_000, "é" * 2_000, '"' * 2_000, "👩‍👩‍👧" * 600):
        options = {"data": {"x": "y" * 2_500}}
        message = played.message(fields={"body": text}, options=options)
        assert isinstance(await send(provider, message), Accepted)
        assert sent(played)["message"]["notification"]["body"].endswith("…")


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"android": {"priority": "canary"}}, "options android.priority"),
        ({"data": {"google.x": "canary"}}, "options"),
        ({"colour": 1}, "options colour"),
        ({"android": {"notification": {"color": "canary"}}}, "options android.notification.color"),
    ],
)
async def test_options_that_cannot_be_are_refused_by_their_place(
    played: Played, provider: Provider, options: Mapping[str, object], place: str
) -> None:
    outcome = await send(provider, played.message(options=options))
    assert isinstance(outcome, Refused)
    assert outcome.reason is ProviderReason.BAD_CONTENT
    assert outcome.detail.startswith(place)
    assert "canary" not in outcome.detail


async def test_a_token_is_asked_for_once_and_renewed_before_it_ends(
    played: Played, google: FcmSimulator, provider: Provider
) -> None:
    outcomes = await asyncio.gather(*(send(provider, played.message(n)) for n in range(50)))
    assert all(isinstance(each, Accepted) for each in outcomes)
    assert google.google.granted == 1
    for _ in range(18):
        played.now_ms += 10 * MINUTE_MS
        assert isinstance(await send(provider, played.message()), Accepted)
    assert google.google.granted in (4, 5)


async def test_a_token_that_ends_soon_serves_for_half_of_its_time(
    played: Played, google: FcmSimulator, provider: Provider
) -> None:
    google.google.expires_s = 120
    for _ in range(12):
        assert isinstance(await send(provider, played.message()), Accepted)
        played.now_ms += 10_000
    assert google.google.granted == 2


async def test_while_a_token_cannot_be_renewed_the_old_one_serves_to_its_end(
    played: Played, google: FcmSimulator, provider: Provider
) -> None:
    await send(provider, played.message())
    google.google.denial = (503, "temporarily_unavailable")
    played.now_ms += 57 * MINUTE_MS
    assert isinstance(await send(provider, played.message()), Accepted)
    played.now_ms += 3 * MINUTE_MS
    assert await send(provider, played.message()) == TryLater(
        ProviderReason.OVERLOADED, detail="oauth: temporarily_unavailable"
    )
    google.google.denial = None
    assert isinstance(await send(provider, played.message()), Accepted)


@pytest.mark.parametrize(
    ("denial", "outcome"),
    [
        ((400, "invalid_grant"), Refused(ProviderReason.OUR_FAULT, "oauth: invalid_grant")),
        ((401, "deleted_client"), Refused(ProviderReason.OUR_FAULT, "oauth: deleted_client")),
        ((400, "canary"), Refused(ProviderReason.OUR_FAULT, "oauth: 400")),
        (
            (500, "internal_failure"),
            TryLater(ProviderReason.OVERLOADED, detail="oauth: internal_failure"),
        ),
        ((429, "canary"), TryLater(ProviderReason.OVERLOADED, detail="oauth: 429")),
    ],
)
async def test_why_there_is_no_token_is_told_apart(
    played: Played,
    google: FcmSimulator,
    provider: Provider,
    denial: tuple[int, str],
    outcome: object,
) -> None:
    google.google.denial = denial
    found = await asyncio.gather(*(send(provider, played.message(n)) for n in range(5)))
    assert found == [outcome] * 5
    assert not google.messages()


async def test_a_token_that_was_taken_back_is_replaced(
    played: Played, google: FcmSimulator, provider: Provider
) -> None:
    await send(provider, played.message())
    google.google.forget()
    assert await send(provider, played.message()) == Refused(
        ProviderReason.OUR_FAULT, "UNAUTHENTICATED"
    )
    assert isinstance(await send(provider, played.message()), Accepted)


async def test_a_clock_that_is_wrong_is_our_fault(played: Played) -> None:
    provider = played.provider()
    played.now_ms += 120 * MINUTE_MS
    provider._token._wall_ms = lambda: NOW_MS  # type: ignore[attr-defined]  # its clock is late
    assert await send(provider, played.message()) == Refused(
        ProviderReason.OUR_FAULT, "oauth: invalid_grant"
    )


async def test_another_projects_is_our_fault(played: Played) -> None:
    outcome = await send(played.provider(project_id="another"), played.message())
    assert outcome == Refused(ProviderReason.OUR_FAULT, "NOT_FOUND")


async def test_details_are_read_in_either_order(played: Played, provider: Provider) -> None:
    await played.simulator.set_faults(Faults(errors={"INVALID_TOKEN": 1.0}))
    stage = replace(played.simulator._stage, fraction=lambda: 0.0)  # type: ignore[attr-defined]  # certain
    played.simulator._stage = stage  # type: ignore[attr-defined]  # as above
    for n in range(2):
        outcome = await send(provider, played.message(n))
        assert outcome == Refused(ProviderReason.DEAD_ADDRESS, "INVALID_TOKEN")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("QUOTA_EXCEEDED", TryLater(ProviderReason.THROTTLED, True, 30_000, "QUOTA_EXCEEDED")),
        (
            "QUOTA_EXCEEDED without Retry-After",
            TryLater(ProviderReason.THROTTLED, True, 60_000, "QUOTA_EXCEEDED"),
        ),
        ("UNAVAILABLE", TryLater(ProviderReason.OVERLOADED, False, 10_000, "UNAVAILABLE")),
        (
            "UNAVAILABLE with Retry-After",
            TryLater(ProviderReason.OVERLOADED, False, 30_000, "UNAVAILABLE"),
        ),
    ],
)
async def test_it_comes_back_when_google_says_or_else_by_itself(
    played: Played, provider: Provider, code: str, outcome: TryLater
) -> None:
    await played.simulator.set_faults(Faults(errors={code: 1.0}))
    played.drawn = 0.0
    assert await send(provider, played.message()) == outcome


@pytest.mark.parametrize("account", ["canary", "{}", '{"client_email": 1}'])
async def test_what_is_no_key_file_is_refused(played: Played, account: str) -> None:
    with pytest.raises(Misconfigured, match="service_account") as refused:
        played.provider(service_account=account)
    assert "canary" not in "".join(refused.value.problems)


async def test_the_key_file_is_read_where_it_lies(played: Played, tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_text(str(played.settings["service_account"]))
    by_file = played.provider(service_account=None, service_account_file=str(file))
    assert isinstance(await send(by_file, played.message()), Accepted)
    for wrong in ({"service_account_file": str(file)}, {"service_account": None}):
        with pytest.raises(Misconfigured, match="service_account_file"):
            played.provider(**wrong)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (None, "service_account_file cannot be read: No such file or directory"),
        (b" \n", "service_account_file is empty"),
        (b"\xff\xfe", "service_account_file holds what is no text"),
        (b"canary", "service_account_file is not the JSON of a service account's key"),
    ],
)
async def test_what_is_wrong_with_a_key_file_is_said_of_the_file(
    played: Played, tmp_path: Path, body: bytes | None, says: str
) -> None:
    file = tmp_path / "account.json"
    if body is not None:
        file.write_bytes(body)
    with pytest.raises(Misconfigured, match=f"providers.fcm.{says}"):
        played.provider(service_account=None, service_account_file=str(file))


async def test_a_mark_before_a_key_file_does_no_harm(played: Played, tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_text(str(played.settings["service_account"]), "utf-8-sig")
    provider = played.provider(service_account=None, service_account_file=str(file))
    assert isinstance(await send(provider, played.message()), Accepted)


async def test_googles_own_client_sends_to_the_played_service(
    played: Played, google: FcmSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played.now_ms = SystemClock().now_ms()
    behind = Behind(google.port, tls=True)
    hosts = {"fcm.googleapis.com": behind, "oauth2.googleapis.com": behind}
    account = msgspec.json.decode(str(played.settings["service_account"]))
    account["token_uri"] = "https://oauth2.googleapis.com/token"
    async with vendor_proxy(tmp_path, hosts) as proxy:
        proxy.lead(monkeypatch)
        app = firebase_admin.initialize_app(credentials.Certificate(account), name="played")
        try:
            await asyncio.to_thread(_by_googles_client, app, google)
        finally:
            await asyncio.to_thread(firebase_admin.delete_app, app)
    taken = google.taken[0]
    assert (taken.reference, taken.fields["body"]) == ("r1", "elsewhere")


def _by_googles_client(app: Any, google: FcmSimulator) -> None:
    def message(n: int) -> Any:
        return messaging.Message(
            fid=google.address(n),
            notification=messaging.Notification(title="From", body="elsewhere"),
            data={"tocsin": "r1"},
            android=messaging.AndroidConfig(priority="high", ttl=600, collapse_key="k"),
        )

    assert messaging.send(message(1), app=app).startswith("projects/sandbox-project/messages/")
    assert messaging.send(message(1), dry_run=True, app=app).endswith("/fake_message_id")
    google._faults = Faults(dead=(google.address(2),))
    with pytest.raises(messaging.UnregisteredError):
        messaging.send(message(2), app=app)
    devices = [google.address(n) for n in (1, 2)]
    for _ in range(2):
        # Who is subscribed already is so.
        said = messaging.subscribe_to_topic(devices, "news", app=app)
        assert (said.success_count, said.failure_count) == (2, 0)
    # The client makes these calls side by side, in whatever order.
    assert sorted(google.topics.subscribers("news")) == devices
    said = messaging.unsubscribe_from_topic(devices[:1], "news", app=app)
    assert (said.success_count, google.topics.subscribers("news")) == (1, devices[1:])
    to_all = messaging.Message(topic="news", data={"tocsin": "r2"})
    assert messaging.send(to_all, app=app).startswith("projects/sandbox-project/messages/")
    assert google.taken[-1].address == "/topics/news"


def test_topics_are_listed_page_by_page() -> None:
    topics = Topics("p")
    place = "/v1/projects/p/registrations/device/topicSubscriptions"

    def ask(method: str, target: str) -> tuple[int, Any]:
        reply = topics.reply(Request(method, target, {}, b"", b""))
        return reply.status, msgspec.json.decode(reply.body)

    for name in ("a", "b", "c"):
        assert ask("POST", f"{place}?topic_name={name}")[0] == 200
    assert ask("POST", f"{place}?topic_name=a")[0] == 409
    assert ask("POST", f"{place}?topic_name=a/b")[0] == 400
    status, page = ask("GET", f"{place}?pageSize=2")
    assert (status, len(page["topicSubscriptions"])) == (200, 2)
    _, rest = ask("GET", f"{place}?pageSize=2&pageToken={page['nextPageToken']}")
    assert rest == {"topicSubscriptions": [{"name": f"{place[4:]}/c"}]}
    assert ask("DELETE", f"{place}/d")[0] == 404
    assert ask("DELETE", f"{place}/d?allow_missing=true")[0] == 200
    assert ask("POST", place.replace("/p/", "/other/"))[0] == 404
    assert topics.subscribers("c") == ["device"]

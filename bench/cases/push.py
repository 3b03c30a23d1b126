"""Pushes to a sink on this machine: everything from the request to the ledger, over TLS and
HTTP/2."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import seed
from bench.cases.live import generator_cost, raw
from bench.cases.outside import Ran, load_of, run_out
from bench.lab import Lab
from bench.report import Figure, Result
from bench.server import RealServer, Server
from bench.sink import H2Sink, h2_sink, h2load
from tocsin.channels.push.webpush.browser import Browser

DEVICES = 1_000
IN_FLIGHT = 100
SECONDS = 10
PRIVATE_KEY = base64.urlsafe_b64encode(bytes(range(1, 33))).decode()
WORKFLOW = {
    "key": "bench.push",
    "on": ["bench.push"],
    "category": "orders",
    "lane": "transactional",
    "audience": {"path": "data.customer_id"},
    "steps": [
        {"channel": "push", "title": "Order {{ data.order }}", "body": "sent={{ data.sent }}"}
    ],
}
BODY = json.dumps(
    {
        "aps": {"alert": {"title": "Order 123456", "body": "sent=1234567890"}, "sound": "default"},
        "tocsin": "dlv_" + "0" * 40,
        "notification": "ntf_" + "0" * 32,
    }
).encode()


@dataclass(frozen=True, slots=True)
class Vendor:
    """One provider, the device that each recipient has, and what the sink says."""

    name: str
    device: Callable[[int], Mapping[str, Any]]
    files: Mapping[str, bytes]
    settings: Callable[[H2Sink], dict[str, Any]]
    path: str


def push(lab: Lab) -> Result:
    """One push for each event, to 1,000 devices: to Apple's protocol, then to Google's. The sink
    is nghttpd; h2load makes as many calls to it as fast as it can."""
    figures, notes, raws = [], [], {}
    for vendor in (_apns(), _fcm()):
        ran, own_us = _run(lab, vendor)
        name = vendor.name.upper()
        figures += [
            ran.cost(f"{name}: server CPU each, all in", goal=80, floor=130),
            Figure(name=f"{name}: pushes", value=ran.per_second, unit="/s"),
            Figure(name=f"{name}: h2load's CPU each", value=own_us, unit="µs"),
        ]
        notes += [f"{vendor.name}: {note}" for note in ran.notes()]
        raws[vendor.name] = raw(ran.measured)
    what = f"batches of 100 in closed loop, {IN_FLIGHT} calls in flight, TLS and HTTP/2"
    return Result(case="push", what=what, figures=figures, notes=notes, raw=raws)


def webpush(lab: Lab) -> Result:
    """One push for each event, to 1,000 browsers, each encrypted for its own key."""
    vendor = _webpush()
    ran, own_us = _run(lab, vendor)
    return Result(
        case="webpush",
        what=f"batches of 100 in closed loop, {IN_FLIGHT} calls in flight, TLS and HTTP/2",
        figures=[
            ran.cost("server CPU each, encryption included", goal=250, floor=400),
            Figure(name="pushes", value=ran.per_second, unit="/s"),
            Figure(name="h2load's CPU each", value=own_us, unit="µs"),
            generator_cost(ran.measured),
        ],
        notes=ran.notes(),
        raw=raw(ran.measured),
    )


def _run(lab: Lab, vendor: Vendor) -> tuple[Ran, float]:
    load = load_of(lab.options, "bench.push", DEVICES, SECONDS)
    folder = lab.folder(f"sink-{vendor.name}")
    folder.mkdir(parents=True)
    with h2_sink(folder, vendor.files) as sink:
        settings: dict[str, dict[str, Any]] = {
            "outbound": {"allowed_networks": ["127.0.0.0/8"]},
            "deliver": {"calls_max": IN_FLIGHT},
            f"providers.{vendor.name}": vendor.settings(sink),
        }
        with lab.real(f"push-{vendor.name}", settings, RealServer) as server:
            _prepare(server, vendor)
            ran = run_out(server, load)
        return ran, h2load(sink, vendor.path, BODY)


def _prepare(server: Server, vendor: Vendor) -> None:
    with server.client() as client:
        seed.publish(client, WORKFLOW)
        seed.import_people(client, DEVICES)
        for number in range(1, DEVICES + 1):
            path = f"/v1/recipients/{seed.recipient_id(number)}/devices"
            device = {"provider": vendor.name, **vendor.device(number)}
            client.send("POST", path, device)


def _apns() -> Vendor:
    tokens = [f"{number:064x}" for number in range(DEVICES + 1)]
    return Vendor(
        "apns",
        lambda number: {"token": tokens[number]},
        {f"/3/device/{token}": b"" for token in tokens},
        lambda sink: {
            "url": sink.url,
            "ca_file": str(sink.ca_file),
            "topics": ["example.bench"],
            "key_id": "BENCHBENCH",
            "team_id": "BENCHBENCH",
            "private_key": PRIVATE_KEY,
        },
        f"/3/device/{tokens[0]}",
    )


def _fcm() -> Vendor:
    send = "/v1/projects/bench/messages:send"
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def settings(sink: H2Sink) -> dict[str, Any]:
        account = {
            "client_email": "bench@example.test",
            "private_key": pem,
            "private_key_id": "bench",
            "project_id": "bench",
            "token_uri": f"{sink.url}/token",
        }
        return {
            "url": sink.url,
            "ca_file": str(sink.ca_file),
            "service_account": json.dumps(account),
        }

    return Vendor(
        "fcm",
        lambda number: {"token": f"device-{number:08d}:APA91b" + "x" * 120},
        {
            send: b'{"name": "projects/bench/messages/0:1500415314455276%31bd1c9631bd1c96"}',
            "/token": b'{"access_token": "ya29.bench", "expires_in": 3599}',
        },
        settings,
        send,
    )


def _webpush() -> Vendor:
    def subscription(number: int) -> Mapping[str, Any]:
        browser = Browser(f"https://push-{number % 4}.example/s/{number}")
        return {"subscription": json.loads(browser.subscription())}

    return Vendor(
        "webpush",
        subscription,
        {"/index.html": b""},
        lambda sink: {
            "relay_url": f"{sink.url}/",
            "ca_file": str(sink.ca_file),
            "private_key": PRIVATE_KEY,
            "subject": "mailto:bench@example.org",
        },
        "/",
    )

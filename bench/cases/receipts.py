"""Callbacks of a provider, signed: durable before they are answered, then told to the ledger."""

import base64
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench import seed
from bench.callbacks import Posted, post
from bench.lab import Lab
from bench.process import Usage
from bench.report import Figure, Result
from bench.server import RealServer, Server
from bench.settle import wait_read

LETTERS = 10_000
BATCH = 100
SINGLE = 20_000
SETTLE_LIMIT_S = 300
EVENTS = ("delivered", "open", "click", "delivered", "open")
"""What is said of each letter, the last two for the second time; all of it in any order."""

WORKFLOW = {
    "key": "bench.reported",
    "on": ["bench.reported"],
    "category": "orders",
    "lane": "transactional",
    "steps": [{"channel": "email", "title": "It is on its way", "body": "And all that."}],
}


@dataclass(slots=True)
class Vendor:
    """Who takes letters and says later what became of them."""

    port: int
    key: ec.EllipticCurvePrivateKey
    references: list[str] = field(default_factory=list)
    all_sent: threading.Event = field(default_factory=threading.Event)

    def public_key(self) -> str:
        """As SendGrid shows it."""
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def request(self, events: Sequence[tuple[str, str]]) -> bytes:
        """One callback about (reference, event), signed, as it goes over the wire."""
        now_s = int(time.time())
        said = [{"event": event, "timestamp": now_s, "tocsin": ref} for ref, event in events]
        body = json.dumps(said).encode()
        signed = self.key.sign(str(now_s).encode() + body, ec.ECDSA(SHA256()))
        prefix = "x-twilio-email-event-webhook"
        head = (
            "POST /v1/callbacks/sendgrid HTTP/1.1\r\nhost: bench\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"{prefix}-timestamp: {now_s}\r\n"
            f"{prefix}-signature: {base64.b64encode(signed).decode()}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(slots=True)
class Round:
    """One way of reporting: how fast it was answered, and when all of it had been told."""

    posted: Posted
    receipts: int
    cpu_s: float
    told_s: float
    done: bool


def receipts(lab: Lab) -> Result:
    """Receipts in callbacks of 100 and in callbacks of their own, over 64 connections; signatures
    are made before. Settled is when each is in the ledger."""
    with _vendor() as vendor, lab.real("receipts", _settings(vendor), RealServer) as server:
        _send(server, vendor)
        dice = random.Random(1)
        told = [(reference, event) for reference in vendor.references for event in EVENTS]
        dice.shuffle(told)
        batched = _round(server, vendor, [told[n : n + BATCH] for n in range(0, len(told), BATCH)])
        single = _round(server, vendor, [[each] for each in dice.sample(told, SINGLE)])
        used = server.usage()
    notes = [
        f"{what}: {each.posted.refused} refused"
        for what, each in (("batches", batched), ("single", single))
        if each.posted.refused
    ]
    notes += ["NOT SETTLED" for each in (batched, single) if not each.done]
    return Result(
        case="receipts",
        what=f"{batched.receipts:,} in callbacks of {BATCH}, then {single.receipts:,} alone",
        figures=[
            Figure(
                name="durable and answered, batches",
                value=batched.receipts / batched.posted.seconds,
                unit="/s",
                goal=10_000,
                floor=5_000,
                more_is_better=True,
            ),
            Figure(
                name="in the ledger, batches",
                value=batched.receipts / batched.told_s,
                unit="/s",
            ),
            _cost("batches", batched),
            Figure(
                name="durable and answered, alone",
                value=single.receipts / single.posted.seconds,
                unit="/s",
            ),
            Figure(name="answered, alone, p99", value=single.posted.percentile_ms(0.99), unit="ms"),
            _cost("alone", single),
            Figure(name="server RSS", value=used.rss_bytes / 1e6, unit="MB"),
        ],
        notes=notes,
        raw={"letters": len(vendor.references), "batches": _raw(batched), "alone": _raw(single)},
    )


def _round(server: Server, vendor: Vendor, callbacks: Sequence[Sequence[tuple[str, str]]]) -> Round:
    requests = [vendor.request(events) for events in callbacks]
    before, started = server.usage(), time.monotonic()
    posted = post(server.port, requests)
    with server.client() as client:
        done = wait_read(client, "receipts", limit_s=SETTLE_LIMIT_S)
    told_s = time.monotonic() - started
    count = sum(map(len, callbacks))
    return Round(posted, count, _cpu_s(before, server.usage()), told_s, done)


def _send(server: Server, vendor: Vendor) -> None:
    with server.client() as client:
        seed.publish(client, WORKFLOW)
        seed.import_people(client, LETTERS)
        for first in range(1, LETTERS + 1, BATCH):
            events = [
                {
                    "type": "bench.reported",
                    "id": f"r-{number}",
                    "recipients": [seed.recipient_id(number)],
                }
                for number in range(first, first + BATCH)
            ]
            client.send("POST", "/v1/events", events)
    if not vendor.all_sent.wait(SETTLE_LIMIT_S):
        raise RuntimeError(f"only {len(vendor.references)} letters were sent")


def _cost(what: str, each: Round) -> Figure:
    return Figure(
        name=f"server CPU each, all in, {what}", value=each.cpu_s * 1e6 / each.receipts, unit="µs"
    )


def _cpu_s(before: Usage, after: Usage) -> float:
    return after.cpu_s - before.cpu_s


def _raw(each: Round) -> dict[str, Any]:
    return {
        "receipts": each.receipts,
        "callbacks": each.posted.answered,
        "answered_s": round(each.posted.seconds, 3),
        "told_s": round(each.told_s, 3),
        "cpu_s": round(each.cpu_s, 3),
        "p50_ms": round(each.posted.percentile_ms(0.5), 2),
        "p99_ms": round(each.posted.percentile_ms(0.99), 2),
    }


def _settings(vendor: Vendor) -> dict[str, dict[str, Any]]:
    return {
        "outbound": {"allowed_networks": ["127.0.0.0/8"], "connections_per_host_max": 50},
        "deliver": {"calls_max": 50},
        "providers.sendgrid": {
            "url": f"http://127.0.0.1:{vendor.port}",
            "key": "bench",
            "from_address": "shop@example.com",
            "webhook_key": vendor.public_key(),
        },
    }


@contextmanager
def _vendor() -> Iterator[Vendor]:
    vendor = Vendor(0, ec.generate_private_key(ec.SECP256R1()))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            vendor.references += [p["custom_args"]["tocsin"] for p in body["personalizations"]]
            if len(vendor.references) >= LETTERS:
                vendor.all_sent.set()
            self.send_response(202)
            self.send_header("x-message-id", "m")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as sink:
        vendor.port = sink.server_port
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        try:
            yield vendor
        finally:
            sink.shutdown()

"""Webhooks to a sink on this machine: everything from the request to the ledger, signed."""

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench import native, seed
from bench.cases.live import generator_cost, problems, raw
from bench.lab import Lab
from bench.load import Load, run
from bench.report import Figure, Result
from bench.server import RealServer, Server
from bench.settle import wait_settled

RECEIVERS = 1_000
IN_FLIGHT = 100
SETTLE_LIMIT_S = 300
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
WORKFLOW = {
    "key": "bench.hook",
    "on": ["bench.hook"],
    "category": "orders",
    "lane": "transactional",
    "audience": {"path": "data.customer_id"},
    "steps": [
        {"channel": "webhook", "title": "Order {{ data.order }}", "body": "sent={{ data.sent }}"}
    ],
}


@dataclass(slots=True)
class Sink:
    """The receiver's port, and what it counted once it has ended."""

    port: int
    requests: int = 0
    bytes: int = 0
    signed: int = 0
    connections: int = 0


def webhook(lab: Lab) -> Result:
    """One webhook for each event, to 1,000 receivers behind one address; the sink's own CPU is in
    another process and not counted."""
    options = lab.options
    load = Load(
        mode="open" if options.rate else "closed",
        rate=options.rate or 0,
        batch=100,
        seconds=options.seconds or 30,
        recipients=RECEIVERS,
        type="bench.hook",
    )
    with _sink() as sink, lab.real("webhook", _settings(sink.port), RealServer) as server:
        _prepare(server)
        measured = run(server, load)
        with server.client() as client:
            accepted = measured.generator["accepted"]
            settled = wait_settled(client, accepted, limit_s=SETTLE_LIMIT_S)
            used = server.usage()
    cpu_s = used.cpu_s - measured.before.cpu_s
    wall_s = max(measured.wall_s, measured.offered_s) + settled.seconds
    notes = problems(measured.generator)
    if not settled.done:
        notes.append(f"NOT SETTLED within {SETTLE_LIMIT_S} s")
    if not sink.requests == sink.signed == accepted:
        notes.append(f"{accepted:,} accepted, {sink.requests:,} received, {sink.signed:,} signed")
    return Result(
        case="webhook",
        what=f"batches of 100 in closed loop, {IN_FLIGHT} calls in flight, signed",
        figures=[
            Figure(
                name="server CPU each, all in",
                value=cpu_s * 1e6 / accepted if accepted else float("inf"),
                unit="µs",
                goal=120,
                floor=200,
            ),
            Figure(name="webhooks", value=sink.requests / wall_s, unit="/s"),
            Figure(name="server cores", value=cpu_s / wall_s, unit=""),
            Figure(name="server RSS", value=used.rss_bytes / 1e6, unit="MB"),
            generator_cost(measured),
        ],
        notes=notes,
        raw={
            **raw(measured),
            "settle_s": round(settled.seconds, 2),
            "cpu_s_until_settled": round(cpu_s, 2),
            "sink": {
                "requests": sink.requests,
                "bytes": sink.bytes,
                "signed": sink.signed,
                "connections": sink.connections,
            },
        },
    )


def _prepare(server: Server) -> None:
    with server.client() as client:
        seed.publish(client, WORKFLOW)
        seed.import_people(client, RECEIVERS)
        for number in range(1, RECEIVERS + 1):
            path = f"/v1/recipients/{seed.recipient_id(number)}/addresses"
            url = f"https://receiver-{number}.example/hooks"
            client.send("POST", path, {"channel": "webhook", "address": url, "secret": SECRET})


def _settings(port: int) -> dict[str, dict[str, Any]]:
    return {
        "outbound": {
            "allowed_networks": ["127.0.0.0/8"],
            "connections_per_host_max": IN_FLIGHT,
        },
        "deliver": {"calls_max": IN_FLIGHT},
        "providers.webhook": {"relay_url": f"http://127.0.0.1:{port}/"},
    }


@contextmanager
def _sink() -> Iterator[Sink]:
    with subprocess.Popen(
        [native.program("hook_sink")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        sink = Sink(int(process.stdout.readline()))
        try:
            yield sink
        finally:
            process.stdin.close()
            counts = process.stdout.readline().split()
            sink.requests, sink.bytes, sink.signed, sink.connections = map(int, counts)

"""Webhooks to a sink on this machine: everything from the request to the ledger, signed."""

import base64
from typing import Any

from bench import seed
from bench.cases.live import generator_cost
from bench.cases.outside import counting_sink, load_of, run_out
from bench.lab import Lab
from bench.report import Figure, Result
from bench.server import RealServer, Server

RECEIVERS = 1_000
IN_FLIGHT = 100
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


def webhook(lab: Lab) -> Result:
    """One webhook for each event, to 1,000 receivers behind one address; the sink's own CPU is in
    another process and not counted."""
    load = load_of(lab.options, "bench.hook", RECEIVERS)
    with (
        counting_sink("hook_sink", "requests", "bytes", "signed", "connections") as sink,
        lab.real("webhook", _settings(sink.port), RealServer) as server,
    ):
        _prepare(server)
        ran = run_out(server, load)
    requests, signed = sink.counted["requests"], sink.counted["signed"]
    notes = ran.notes()
    if not requests == signed == ran.accepted:
        notes.append(f"{ran.accepted:,} accepted, {requests:,} received, {signed:,} signed")
    return Result(
        case="webhook",
        what=f"batches of 100 in closed loop, {IN_FLIGHT} calls in flight, signed",
        figures=[
            ran.cost("server CPU each, all in", goal=120, floor=200),
            Figure(name="webhooks", value=ran.per_second, unit="/s"),
            *ran.server(),
            generator_cost(ran.measured),
        ],
        notes=notes,
        raw=ran.raw(sink),
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

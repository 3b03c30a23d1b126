"""Emails to a sink on this machine: everything from the request to the ledger."""

from typing import Any

from bench import seed
from bench.cases.live import generator_cost
from bench.cases.outside import counting_sink, load_of, run_out
from bench.lab import Lab
from bench.report import Figure, Result
from bench.server import RealServer, Server

PEOPLE = 20_000
CONNECTIONS = 20
WORKFLOW = {
    "key": "bench.mail",
    "on": ["bench.mail"],
    "category": "orders",
    "lane": "transactional",
    "audience": {"path": "data.customer_id"},
    "steps": [
        {
            "channel": "email",
            "title": "Order {{ data.order }} is on its way",
            "body": "Hello {{ recipient.name }},\n\nyour order was sent at {{ data.sent }}.\n\n"
            "It should reach you within three days. You can follow it on your page.\n\nThe shop",
        }
    ],
}


def email(lab: Lab) -> Result:
    """One letter for each event, each with a text of its own, in plain text and as a page, with a
    link to unsubscribe; the sink's own CPU is in another process and not counted."""
    load = load_of(lab.options, "bench.mail", PEOPLE)
    with (
        counting_sink("mail_sink", "letters", "bytes", "connections") as sink,
        lab.real("email", _settings(sink.port), RealServer) as server,
    ):
        _prepare(server)
        ran = run_out(server, load)
    notes = ran.notes()
    if sink.counted["letters"] != ran.accepted:
        notes.append(f"{ran.accepted:,} accepted, {sink.counted['letters']:,} received")
    return Result(
        case="email",
        what=f"batches of 100 in closed loop, {CONNECTIONS} connections to a sink",
        figures=[
            ran.cost("server CPU each, all in", goal=400, floor=700),
            Figure(name="emails", value=ran.per_second, unit="/s"),
            *ran.server(),
            generator_cost(ran.measured),
        ],
        notes=notes,
        raw=ran.raw(sink),
    )


def _prepare(server: Server) -> None:
    with server.client() as client:
        seed.publish(client, WORKFLOW)
        seed.import_people(client, PEOPLE)


def _settings(port: int) -> dict[str, dict[str, Any]]:
    return {
        "providers.smtp": {
            "host": "127.0.0.1",
            "port": port,
            "security": "none",
            "username": "bench",
            "password": "bench",
            "from_address": "shop@sender.example",
            "from_name": "The Shop",
            "connections_max": CONNECTIONS,
        }
    }

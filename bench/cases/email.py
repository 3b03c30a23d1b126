"""Emails to a sink on this machine: everything from the request to the ledger."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from bench import native, seed
from bench.cases.live import generator_cost, problems, raw
from bench.lab import Lab
from bench.load import Load, run
from bench.report import Figure, Result
from bench.server import RealServer, Server
from bench.settle import wait_settled

PEOPLE = 20_000
CONNECTIONS = 20
SETTLE_LIMIT_S = 300
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


@dataclass(slots=True)
class Sink:
    """The mail server's port, and what it counted once it has ended."""

    port: int
    letters: int = 0
    bytes: int = 0
    connections: int = 0


def email(lab: Lab) -> Result:
    """One letter for each event, each with a text of its own, in plain text and as a page, with a
    link to unsubscribe; the sink's own CPU is in another process and not counted."""
    options = lab.options
    load = Load(
        mode="open" if options.rate else "closed",
        rate=options.rate or 0,
        batch=100,
        seconds=options.seconds or 30,
        recipients=PEOPLE,
        type="bench.mail",
    )
    with _sink() as sink, lab.real("email", _settings(sink.port), RealServer) as server:
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
    if sink.letters != accepted:
        notes.append(f"{accepted:,} accepted, {sink.letters:,} received")
    return Result(
        case="email",
        what=f"batches of 100 in closed loop, {CONNECTIONS} connections to a sink",
        figures=[
            Figure(
                name="server CPU each, all in",
                value=cpu_s * 1e6 / accepted if accepted else float("inf"),
                unit="µs",
                goal=400,
                floor=700,
            ),
            Figure(name="emails", value=sink.letters / wall_s, unit="/s"),
            Figure(name="server cores", value=cpu_s / wall_s, unit=""),
            Figure(name="server RSS", value=used.rss_bytes / 1e6, unit="MB"),
            generator_cost(measured),
        ],
        notes=notes,
        raw={
            **raw(measured),
            "settle_s": round(settled.seconds, 2),
            "cpu_s_until_settled": round(cpu_s, 2),
            "sink": asdict(sink),
        },
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


@contextmanager
def _sink() -> Iterator[Sink]:
    with subprocess.Popen(
        [native.program("mail_sink")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        sink = Sink(int(process.stdout.readline()))
        try:
            yield sink
        finally:
            process.stdin.close()
            counts = process.stdout.readline().split()
            sink.letters, sink.bytes, sink.connections = map(int, counts)

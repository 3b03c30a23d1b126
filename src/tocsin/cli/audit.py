"""``tocsin audit``: does everything that came in have an outcome?"""

from __future__ import annotations

from typing import Any

import click

from tocsin.cli import exits
from tocsin.cli.client import Client, client_option
from tocsin.cli.output import json_option, print_json, print_table

_EVENTS = ("accepted", "routed", "unrouted", "aliases", "waiting")
_DELIVERIES = (
    "planned",
    "sent",
    "delivered",
    "suppressed",
    "failed",
    "expired",
    "cancelled",
    "pending",
)


@click.command()
@client_option
@click.option("--since", default="1h", show_default=True, help="A time, or how far back.")
@click.option("--until", help="A time, or how far back; now when absent.")
@click.option("--repair", is_flag=True, help="Route again what the log holds and no plan names.")
@json_option
def audit(client: Client, since: str, until: str | None, repair: bool, as_json: bool) -> int:
    """Count what was accepted and planned against what became of it; 1 when it is unequal."""
    method, path = ("POST", "/v1/audit/repair") if repair else ("GET", "/v1/audit")
    found = client.call(method, path, query={"since": since, "until": until}).json()
    if as_json:
        print_json(found)
    else:
        _print(found)
    return exits.DONE if found["balanced"] else exits.NO


def _print(found: dict[str, Any]) -> None:
    click.echo(found["sentence"])
    click.echo()
    print_table(
        ("lane", *_EVENTS),
        ((lane, *(line[name] for name in _EVENTS)) for lane, line in found["events"].items()),
    )
    rows = [
        (lane, channel, *(line[name] for name in _DELIVERIES))
        for lane, channels in found["deliveries"].items()
        for channel, line in channels.items()
    ]
    if rows:
        click.echo()
        print_table(("lane", "channel", *_DELIVERIES), rows)
    if found["details"]:
        click.echo()
        print_table(
            ("missing", "kind", "detail"),
            ((each["id"], each["kind"], each["detail"]) for each in found["details"]),
        )
    if found["repaired"]:
        click.echo(f"\n{found['repaired']} events were put before the router once more.")

"""``tocsin status-webhooks``: who is told what became of deliveries."""

from __future__ import annotations

import click

from tocsin.cli.client import Client, api_path, client_option
from tocsin.cli.output import json_option, print_json, print_table


@click.group(name="status-webhooks")
def status_webhooks() -> None:
    """List, put and delete endpoints that are told what became of deliveries."""


@status_webhooks.command(name="list")
@client_option
@json_option
def list_status_webhooks(client: Client, as_json: bool) -> None:
    """List all endpoints."""
    found = client.call("GET", "/v1/status-webhooks").json()
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "state", "failing since", "url", "states", "channels", "workflows"),
        (
            (
                each["key"],
                each["state"],
                each["failing_since"] or "",
                each["url"],
                ", ".join(each["states"]),
                ", ".join(each["channels"]),
                ", ".join(each["workflows"]),
            )
            for each in found["items"]
        ),
    )


@status_webhooks.command()
@client_option
@click.option("--state", "states", multiple=True, help="Tell of this state; may be repeated.")
@click.option("--channel", "channels", multiple=True, help="Tell of this channel.")
@click.option("--workflow", "workflows", multiple=True, help="Tell of this workflow.")
@click.option("--secret", help="Signs calls, whsec_…; without it, one is made up.")
@click.option("--paused", is_flag=True, help="Tell nothing until it is put again without this.")
@click.argument("key")
@click.argument("url")
@json_option
def put(
    client: Client,
    states: tuple[str, ...],
    channels: tuple[str, ...],
    workflows: tuple[str, ...],
    secret: str | None,
    paused: bool,
    key: str,
    url: str,
    as_json: bool,
) -> None:
    """Create or replace the endpoint KEY at URL; a secret that is made up is printed once."""
    document = {
        "url": url,
        "secret": secret,
        "states": list(states),
        "channels": list(channels),
        "workflows": list(workflows),
        "paused": paused,
    }
    made = client.call("PUT", api_path("status-webhooks", key), document=document).json()
    if as_json:
        print_json(made)
        return
    click.echo(f"{key} is {made['state']}.")
    if "secret" in made:
        click.echo(f"Its secret, shown this once: {made['secret']}")


@status_webhooks.command()
@client_option
@click.argument("key")
def delete(client: Client, key: str) -> None:
    """Remove the endpoint KEY."""
    client.call("DELETE", api_path("status-webhooks", key))
    click.echo(f"{key} is removed.")

"""``tocsin keys``: make, list and revoke API keys. The first one is made over the admin socket."""

from __future__ import annotations

import click

from tocsin.cli.client import Client, api_path, client_option
from tocsin.cli.output import json_option, local_time, print_json, print_table


@click.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command()
@client_option
@click.option("--role", "roles", multiple=True, required=True, help="May be repeated.")
@click.option("--workflow", "workflows", multiple=True, help="Limits the key to workflows.")
@click.option("--category", "categories", multiple=True, help="Limits the key to categories.")
@click.option("--source", "sources", multiple=True, help="Limits the key to sources.")
@click.option("--lane", "lanes", multiple=True, help="Limits the key to lanes.")
@click.option("--expires-at", help="A time after which it is refused.")
@click.argument("name")
@json_option
def create(
    client: Client,
    roles: tuple[str, ...],
    workflows: tuple[str, ...],
    categories: tuple[str, ...],
    sources: tuple[str, ...],
    lanes: tuple[str, ...],
    expires_at: str | None,
    name: str,
    as_json: bool,
) -> None:
    """Make a key called NAME and print it: this is the only time that it is shown."""
    document = {
        "name": name,
        "roles": list(roles),
        "workflows": list(workflows),
        "categories": list(categories),
        "sources": list(sources),
        "lanes": list(lanes),
        "expires_at": expires_at,
    }
    made = client.call("POST", "/v1/keys", document=document).json()
    if as_json:
        print_json(made)
    else:
        click.echo(made["key"])


@keys.command(name="list")
@client_option
@json_option
def list_keys(client: Client, as_json: bool) -> None:
    """List all keys, without their secrets."""
    found = client.call("GET", "/v1/keys").json()
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "name", "roles", "created", "expires", "revoked"),
        (
            (
                key["id"],
                key["name"],
                ", ".join(key["roles"]),
                local_time(key["created_at"]),
                local_time(key["expires_at"]),
                local_time(key["revoked_at"]),
            )
            for key in found["items"]
        ),
    )


@keys.command()
@client_option
@click.argument("id")
def revoke(client: Client, id: str) -> None:
    """Refuse the key with ID from now on."""
    client.call("DELETE", api_path("keys", id))
    click.echo(f"{id} is revoked.")

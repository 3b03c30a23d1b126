"""``tocsin erasures``: how far an erasure is, and whether its proof is genuine."""

from __future__ import annotations

import base64
import sys
from typing import Any

import click
import msgspec

from tocsin.cli import exits
from tocsin.cli.client import Client, api_path, client_option
from tocsin.cli.output import json_option, print_json, print_table


@click.group()
def erasures() -> None:
    """Show erasures of recipients, and check their proofs."""


@erasures.command()
@client_option
@click.argument("id")
@json_option
def show(client: Client, id: str, as_json: bool) -> None:
    """Show erasure ID, with its proof when it is done."""
    found = client.call("GET", api_path("erasures", id)).json()
    if as_json:
        print_json(found)
        return
    click.echo(f"{found['id']}: {found['state']}, asked for at {found['requested_at']}")
    print_table(("store", "removed"), sorted(found["removed"].items()))
    if found["proof"] is not None:
        click.echo(f"\nDone at {found['done_at']}. Proof:\n{found['proof']}")
        click.echo(f"signature: {found['signature']}\npublic key: {found['public_key']}")


@erasures.command()
@click.option("--public-key", help="The key, in base64, that it must be signed with.")
@click.argument("file", type=click.File("rb"), default=sys.stdin.buffer)
def verify(file: Any, public_key: str | None) -> int:
    """Check what `erasures show ID --json` printed into FILE; reaches no server."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        found = msgspec.json.decode(file.read())
        key = Ed25519PublicKey.from_public_bytes(
            base64.b64decode(public_key or found["public_key"])
        )
        key.verify(base64.b64decode(found["signature"]), found["proof"].encode())
    except (InvalidSignature, KeyError, TypeError, ValueError, AttributeError):
        click.echo("The proof is not signed with this key, or it was changed.", err=True)
        return exits.NO
    click.echo("The proof is genuine.")
    return exits.DONE

"""``tocsin watch``: a recipient's messages, live in the terminal."""

from __future__ import annotations

import asyncio

import click

from tocsin.cli import exits
from tocsin.cli.client import Client, client_option
from tocsin.cli.output import json_option


@click.command()
@client_option
@click.option("--count", type=click.IntRange(1), help="End after so many items.")
@click.argument("recipient")
@json_option
def watch(client: Client, count: int | None, recipient: str, as_json: bool) -> int:
    """
    Print what arrives for RECIPIENT until Ctrl-C; reconnects by itself.

    That is the inbox, and in a sandbox what every other channel has handed over, too.
    """
    from tocsin.cli.watching import Watcher

    watcher = Watcher(client, recipient, count=count, as_json=as_json)
    try:
        asyncio.run(watcher.run())
    except KeyboardInterrupt:
        # Who watches ends it so: that is success.
        click.echo(err=True)
    return exits.DONE

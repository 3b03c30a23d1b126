"""``tocsin advance``: moving a sandbox's clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import click

from tocsin.cli import exits
from tocsin.cli.client import Client, client_option
from tocsin.cli.exits import CannotReach
from tocsin.cli.output import json_option, print_json

PATH: Final = "/v1/sandbox/clock"
_LOOK_S: Final = 1.0


@click.command()
@client_option
@click.argument("duration", required=False)
@click.option("--to", "until", help="A date or an instant, in place of a duration.")
@json_option
def advance(client: Client, duration: str | None, until: str | None, as_json: bool) -> int:
    """
    Move the sandbox's clock forward by DURATION (3d, 1h30m), and do all that comes due.

    It comes due in its order, each at its hour. Without anything, print what time it is.
    """
    if duration is not None and until is not None:
        raise click.UsageError("say either how long, or --to when")
    if duration is None and until is None:
        _print(client.call("GET", PATH).json(), as_json)
        return exits.DONE
    change = {"advance": duration} if duration is not None else {"set": until}
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(client.call, "POST", PATH, document=change, timeout_s=None)
        while not _ended(moving):
            if not as_json:
                _show_progress(client)
        _print(moving.result().json(), as_json)
    return exits.DONE


def _ended(moving: Any) -> bool:
    try:
        moving.exception(_LOOK_S)
    except TimeoutError:
        return False
    return True


def _show_progress(client: Client) -> None:
    try:
        face = client.call("GET", PATH).json()
    except CannotReach:
        return  # the move itself will say so
    if face["moving_to"] is not None:
        click.echo(f"It is {face['now']}, on the way to {face['moving_to']} …", err=True)


def _print(face: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(face)
        return
    stops = face["stops"]
    times = "once" if stops == 1 else f"{stops} times"
    done = f"; stopped {times} for what came due" if stops else ""
    click.echo(f"It is {face['now']}{done}.")
    if not face["settled"]:
        click.echo("Something is still under way: a provider has not answered.", err=True)

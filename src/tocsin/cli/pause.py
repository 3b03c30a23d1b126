"""``tocsin pause``, ``resume`` and ``pauses``: stop something for a while, and let it go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from tocsin.cli import exits
from tocsin.cli.client import Client, api_path, client_option
from tocsin.cli.output import json_option, print_json, print_table

Command = TypeVar("Command", bound=Callable[..., Any])

_NAMES: Final = ("lane", "channel", "workflow", "provider")


def _scope_options(command: Command) -> Command:
    for name in reversed(_NAMES):
        command = click.option(f"--{name}", help=f"The {name} that is meant.")(command)
    return command


@click.command()
@client_option
@_scope_options
@click.option("--reason", required=True, help="Why; whoever asks is told.")
@json_option
def pause(client: Client, reason: str, as_json: bool, **named: str | None) -> None:
    """Stop a lane, a channel, a workflow or a provider; nothing is lost meanwhile."""
    scope = _given(named)
    if not scope:
        raise click.UsageError("name a --lane, a --channel, a --workflow or a --provider")
    made = client.call("POST", "/v1/pauses", document={**scope, "reason": reason}).json()
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made['id']}: {_words(made)} is paused.")


@click.command()
@client_option
@_scope_options
@click.option("--reason", help="Why it goes on.")
@click.argument("id", required=False)
@json_option
def resume(
    client: Client, reason: str | None, id: str | None, as_json: bool, **named: str | None
) -> int:
    """Let what is paused go on: the pause with ID, or those that name exactly what is given."""
    scope = _given(named)
    if (id is None) == (not scope):
        raise click.UsageError("give the ID of a pause, or what it names, for example --lane bulk")
    ids = [id] if id is not None else _matching(client, scope)
    ended = [
        client.call("DELETE", api_path("pauses", each), query={"reason": reason}).json()
        for each in ids
    ]
    if as_json:
        print_json({"items": ended})
    for each in () if as_json else ended:
        click.echo(f"{each['id']}: {_words(each)} goes on; {_parked(each['parked'])}.")
    if not ended and not as_json:
        click.echo("Nothing was paused by that.", err=True)
    return exits.DONE if ended else exits.NO


def _parked(count: int) -> str:
    return "1 was parked" if count == 1 else f"{count} were parked"


@click.command()
@client_option
@json_option
def pauses(client: Client, as_json: bool) -> None:
    """List what is paused, by whom and why."""
    found = client.call("GET", "/v1/pauses").json()
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", *_NAMES, "parked", "since", "by", "reason"),
        (
            (
                each["id"],
                *(each[name] for name in _NAMES),
                each["parked"],
                each["at"],
                each["by"],
                each["reason"],
            )
            for each in found["items"]
        ),
    )


def _given(named: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in named.items() if value is not None}


def _matching(client: Client, scope: dict[str, str]) -> list[str]:
    found = client.call("GET", "/v1/pauses").json()["items"]
    return [each["id"] for each in found if _named(each) == scope]


def _named(pause: dict[str, Any]) -> dict[str, str]:
    return {name: pause[name] for name in _NAMES if pause[name] is not None}


def _words(pause: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in _named(pause).items())

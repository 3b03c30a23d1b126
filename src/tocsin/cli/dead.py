"""``tocsin dead``: what failed for good, to be looked at, made anew or put aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import click

from tocsin.cli import exits
from tocsin.cli.client import Client, api_path, client_option
from tocsin.cli.output import json_option, print_json, print_table

Command = TypeVar("Command", bound=Callable[..., Any])

_NAMES: Final = ("channel", "lane", "workflow", "provider", "reason", "since")
_COLUMNS: Final = (
    "id",
    "at",
    "lane",
    "channel",
    "workflow",
    "recipient",
    "provider",
    "reason",
    "detail",
)
_PATH: Final = "/v1/dead-letters"


@click.group()
def dead() -> None:
    """List, show, replay and discard what failed for good."""


def _filter_options(command: Command) -> Command:
    for name in reversed(_NAMES):
        option = f"--for-{name}" if name == "reason" else f"--{name}"
        text = "A time, or how far back." if name == "since" else f"Those of one {name}."
        command = click.option(option, f"for_{name}", help=text)(command)
    return command


def _given(named: dict[str, str | None]) -> dict[str, str]:
    return {k.removeprefix("for_"): value for k, value in named.items() if value is not None}


@dead.command(name="list")
@client_option
@_filter_options
@click.option("--state", default="waiting", show_default=True)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@json_option
def list_letters(
    client: Client, state: str, limit: int, as_json: bool, **named: str | None
) -> None:
    """List dead letters, newest first."""
    query = {**_given(named), "state": state, "limit": limit}
    found = client.call("GET", _PATH, query=query).json()
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, ([each[name] for name in _COLUMNS] for each in found["items"]))
    if found["next"]:
        click.echo(f"There are more than {limit}; narrow it down, or raise --limit.", err=True)


@dead.command()
@client_option
@click.argument("id")
@json_option
def show(client: Client, id: str, as_json: bool) -> None:
    """Show one with its event, text, address and attempts."""
    found = client.call("GET", api_path("dead-letters", id)).json()
    if as_json:
        print_json(found)
        return
    for name in (*_COLUMNS, "state", "by", "why", "address", "replay"):
        if found[name]:
            click.echo(f"{name}: {found[name]}")
    if found["event"]:
        event = found["event"]
        click.echo(f"event: {event['id']} {event['type']} accepted {event['accepted_at']}")
        print_json(event["data"])
    if found["content"]:
        _print_content(found["content"])
    elif found["content_missing"]:
        click.echo(f"no text: {found['content_missing']}")
    if found["attempts"]:
        click.echo()
        heads = ("at", "kind", "number", "provider", "state", "reason", "detail")
        print_table(heads, ([each[name] for name in heads] for each in found["attempts"]))


def _print_content(content: dict[str, Any]) -> None:
    """Print what a person would have read: of two forms of one letter the plain one."""
    fields = content["fields"]
    plain = {k: v for k, v in fields.items() if k != "html" or not fields.get("text")}
    texts = (content["title"], content["body"], *plain.values())
    click.echo("\n" + "\n".join(text for text in texts if text))


@dead.command()
@client_option
@_filter_options
@click.option("--all", "everything", is_flag=True, help="All that wait.")
@click.argument("ids", nargs=-1)
@json_option
def replay(
    client: Client, everything: bool, ids: tuple[str, ...], as_json: bool, **named: str | None
) -> int:
    """Make IDS anew, or all that fit the options; everything is checked again."""
    if len(ids) == 1:
        made = client.call("POST", api_path("dead-letters", ids[0], "replay")).json()
        _print_one(made, made["delivery"] or "It is routed again.", as_json)
        return exits.DONE
    return _many(client, "replay", _which(ids, _given(named), everything), {}, as_json)


@dead.command()
@client_option
@_filter_options
@click.option("--all", "everything", is_flag=True, help="All that wait.")
@click.option("--reason", required=True, help="Why; it stands in the audit trail.")
@click.argument("ids", nargs=-1)
@json_option
def discard(
    client: Client,
    everything: bool,
    reason: str,
    ids: tuple[str, ...],
    as_json: bool,
    **named: str | None,
) -> int:
    """Put IDS aside, or all that fit the options."""
    if len(ids) == 1:
        client.call(
            "POST", api_path("dead-letters", ids[0], "discard"), document={"reason": reason}
        )
        _print_one({"count": 1}, f"{ids[0]} is put aside.", as_json)
        return exits.DONE
    which = _which(ids, _given(named), everything)
    return _many(client, "discard", which, {"reason": reason}, as_json)


def _print_one(document: object, words: str, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        click.echo(words)


def _which(ids: tuple[str, ...], given: dict[str, str], everything: bool) -> dict[str, Any]:
    if (bool(ids) + bool(given) + everything) != 1:
        raise click.UsageError("give ids, or what they have in common, or --all")
    return {"ids": list(ids)} if ids else {"filter": given}


def _many(
    client: Client, action: str, which: dict[str, Any], more: dict[str, str], as_json: bool
) -> int:
    count = sum(_slices(client, action, {**which, **more}))
    if as_json:
        print_json({"count": count})
    else:
        done = "made anew" if action == "replay" else "put aside"
        click.echo(f"{count} {'is' if count == 1 else 'are'} {done}.")
    return exits.DONE if count else exits.NO


def _slices(client: Client, action: str, document: dict[str, Any]) -> Iterator[int]:
    """Yield the counts of one call after the other, until nothing is left that fits."""
    while True:
        answer = client.call("POST", f"{_PATH}/{action}", document=document).json()
        yield answer["count"]
        if not answer["more"]:
            return

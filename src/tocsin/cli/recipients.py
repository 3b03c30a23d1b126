"""``tocsin recipients``: list, show, write and import people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from tocsin.cli import exits
from tocsin.cli.client import Client, api_path, client_option
from tocsin.cli.output import json_option, print_json, print_table
from tocsin.cli.reading import json_value

_PIECE_BYTES: Final = 256 * 1024
_KINDS: Final = {
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
}


@click.group()
def recipients() -> None:
    """List, get, put, import and delete recipients."""


@recipients.command(name="list")
@client_option
@click.option("--cursor", help="What the page before ended with.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@json_option
def list_recipients(client: Client, cursor: str | None, limit: int, as_json: bool) -> None:
    """List recipients by id."""
    query = {"cursor": cursor, "limit": limit}
    found = client.call("GET", "/v1/recipients", query=query).json()
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "name", "locale", "timezone", "addresses", "version"),
        (
            (
                one["id"],
                one["name"],
                one["locale"],
                one["timezone"],
                ", ".join(each["channel"] for each in one["addresses"]),
                one["version"],
            )
            for one in found["items"]
        ),
    )
    if "next" in found:
        click.echo(f"\nMore with --cursor {found['next']}")


@recipients.command()
@client_option
@click.argument("id")
def get(client: Client, id: str) -> None:
    """Print one recipient as JSON."""
    print_json(client.call("GET", api_path("recipients", id)).json())


@recipients.command()
@client_option
@click.option("--name")
@click.option("--email")
@click.option("--phone")
@click.option("--locale")
@click.option("--timezone")
@click.option("--attributes", callback=json_value, help="JSON, @FILE, or - for standard input.")
@click.argument("id")
@json_option
def put(client: Client, id: str, as_json: bool, **fields: Any) -> None:
    """Create recipient ID, or change what is given of a known one."""
    given = {name: value for name, value in fields.items() if value is not None}
    place = api_path("recipients", id)
    made = _amend(client, place, given) or client.call("PUT", place, document=given).json()
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made['id']}: version {made['version']}")


@recipients.command(name="enable-address")
@client_option
@click.argument("id")
@click.argument("number", type=click.IntRange(1, 65_535))
@json_option
def enable_address(client: Client, id: str, number: int, as_json: bool) -> None:
    """Call the endpoint that is address NUMBER of recipient ID again, after it was disabled."""
    place = api_path("recipients", id, "addresses", str(number), "enable")
    done = client.call("POST", place).json()
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done['channel']} {done['number']}: enabled")


@recipients.command()
@client_option
@click.argument("id")
@json_option
def delete(client: Client, id: str, as_json: bool) -> None:
    """Erase recipient ID: nothing is sent any more, and within a day nothing is left."""
    done = client.call("DELETE", api_path("recipients", id)).json()
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done['erasure']}: see tocsin erasures show {done['erasure']}")


@recipients.command(name="import")
@client_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def load(client: Client, file: Path, as_json: bool) -> int:
    """Import FILE (.csv, .ndjson or .jsonl); it may be of any size."""
    kind = _KINDS.get(file.suffix)
    if kind is None:
        raise click.UsageError(f"{file}: the name must end with {', '.join(_KINDS)}")
    from rich.progress import Progress

    with Progress(console=_errors(), transient=True) as progress:
        task = progress.add_task(file.name, total=file.stat().st_size)
        pieces = _pieces(file, lambda size: progress.update(task, advance=size))
        done = client.call("POST", "/v1/recipients/import", body=pieces, content_type=kind).json()
    if as_json:
        print_json(done)
    else:
        _print_import(done)
    return exits.NO if done["problems"] else exits.DONE


def _amend(client: Client, path: str, given: dict[str, Any]) -> dict[str, Any] | None:
    try:
        changed: dict[str, Any] = client.call("PATCH", path, document=given).json()
    except exits.ServerRefused as refused:
        if refused.answered_status == 404:
            return None
        raise
    return changed


def _errors() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def _pieces(file: Path, read: Callable[[int], object]) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(_PIECE_BYTES):
            yield piece
            read(len(piece))


def _print_import(done: dict[str, Any]) -> None:
    numbers = ", ".join(f"{value} {name}" for name, value in done.items() if isinstance(value, int))
    click.echo(numbers)
    for each in done["problems"]:
        click.echo(f"  line {each['line']}: {each.get('pointer', '')} {each['detail']}", err=True)

"""``tocsin workflows``: list, show, write and publish documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from tocsin.cli.client import Client, api_path, client_option
from tocsin.cli.exits import ServerRefused
from tocsin.cli.output import json_option, local_time, print_json, print_table
from tocsin.cli.reading import document_file

_FILES: Final = (".toml", ".json")


@click.group()
def workflows() -> None:
    """List, show, put, publish and push workflows."""


@workflows.command(name="list")
@client_option
@json_option
def list_workflows(client: Client, as_json: bool) -> None:
    """List the newest version of every published workflow."""
    found = client.call("GET", "/v1/workflows").json()
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "version", "active", "lane", "category", "published"),
        (
            (
                each["key"],
                each["version"],
                "yes" if each["active"] else "no",
                each["document"].get("lane", "transactional"),
                each["document"].get("category", ""),
                local_time(each["at"]),
            )
            for each in found["items"]
        ),
    )


@workflows.command()
@client_option
@click.argument("key")
@json_option
def show(client: Client, key: str, as_json: bool) -> None:
    """Print the published document of KEY, or its draft."""
    found = client.call("GET", api_path("workflows", key)).json()
    newest = found["published"] or found["draft"]
    print_json(found if as_json else newest["document"])


@workflows.command()
@client_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def put(client: Client, file: Path, as_json: bool) -> None:
    """Write the document in FILE (TOML or JSON) as a draft."""
    draft = _put(client, file)
    if as_json:
        print_json(draft)
    else:
        key = draft["key"]
        click.echo(f"{key}: draft written; `tocsin workflows publish {key}` makes it count.")


@workflows.command()
@client_option
@click.argument("key")
@json_option
def publish(client: Client, key: str, as_json: bool) -> None:
    """Make the draft of KEY its next version."""
    done = client.call("POST", api_path("workflows", key, "publish")).json()
    if as_json:
        print_json(done)
    else:
        _print_published(done)


@workflows.command()
@client_option
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def push(client: Client, folder: Path, as_json: bool) -> None:
    """Write and publish every document in FOLDER that differs from what is published."""
    files = sorted(each for each in folder.iterdir() if each.suffix in _FILES)
    if not files:
        raise click.UsageError(f"{folder} holds no .toml or .json file")
    before = {
        each["key"]: each["document"]
        for each in client.call("GET", "/v1/workflows").json()["items"]
    }
    done: list[dict[str, Any]] = []
    for file in files:
        with _naming(file):
            draft = _put(client, file)
            if before.get(draft["key"]) == draft["document"]:
                continue
            place = api_path("workflows", draft["key"], "publish")
            done.append(client.call("POST", place).json())
    if as_json:
        print_json({"published": done, "unchanged": len(files) - len(done)})
        return
    for each in done:
        _print_published(each)
    click.echo(f"{len(done)} published, {len(files) - len(done)} unchanged.")


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Put the file's name before what the server says is wrong: a folder holds many."""
    try:
        yield
    except ServerRefused as refused:
        raise ServerRefused(
            f"{file}: {refused.detail}", status=refused.answered_status, code=refused.answered_code
        ) from None


def _put(client: Client, file: Path) -> dict[str, Any]:
    document = document_file(file)
    key = document.get("key") if isinstance(document, dict) else None
    if not isinstance(key, str):
        raise click.UsageError(f"{file} has no key")
    draft: dict[str, Any] = client.call("PUT", api_path("workflows", key), document=document).json()
    return draft


def _print_published(done: dict[str, Any]) -> None:
    click.echo(f"{done['key']}: version {done['version']} is published.")
    for warning in done["warnings"]:
        click.echo(f"  {warning}", err=True)

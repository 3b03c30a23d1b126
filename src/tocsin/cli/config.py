"""``tocsin config``: what can be set, whether a configuration is right, what holds and why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from tocsin.cli import exits
from tocsin.cli.options import config_options, load_config
from tocsin.cli.output import json_option, print_json, print_table
from tocsin.config import (
    DEFAULT,
    Config,
    Misconfigured,
    RawTable,
    as_toml,
    decode_routes,
    doc_markdown,
    doc_toml,
    settings,
    show_route,
    value_of,
)


@click.group()
def config() -> None:
    """Document, check and show the settings."""


@config.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["toml", "markdown"]),
    default="toml",
    show_default=True,
    help="A file to start from, or the reference page.",
)
def doc(form: str) -> None:
    """Print every setting with its default, its bounds and what it does."""
    from tocsin.wiring.channels import provider_sections

    write = doc_toml if form == "toml" else doc_markdown
    click.echo(write(provider_sections()), nl=False)


@config.command()
@config_options
@json_option
def check(config_file: Path | None, data: str | None, port: int | None, as_json: bool) -> int:
    """Say whether the configuration can be used; name everything that is wrong with it."""
    try:
        problems = _problems(load_config(config_file, data, port).config)
    except Misconfigured as refused:
        problems = list(refused.problems)
    if as_json:
        print_json({"ok": not problems, "problems": problems})
    elif problems:
        click.echo("\n".join(problems))
    else:
        click.echo("The configuration can be used.")
    return exits.NO if problems else exits.DONE


def _problems(loaded: Config) -> list[str]:
    """Return all because of which a server would not start."""
    # Imported here, so that other commands start without the folders of channels.
    from tocsin.wiring.channels import check_providers, try_channels
    from tocsin.wiring.encryption_keys import brought_keys

    problems: list[str] = []
    try:
        check_providers(loaded)
        if loaded.mode == "real":
            # What belongs together, and what is in files that are named, only building shows.
            asyncio.run(try_channels(loaded))
    except Misconfigured as refused:
        problems += refused.problems
    try:
        brought_keys(loaded)
    except Misconfigured as refused:
        problems += refused.problems
    return problems


@config.command()
@config_options
@json_option
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
def show(
    config_file: Path | None, data: str | None, port: int | None, as_json: bool, changed: bool
) -> None:
    """Show what holds and where each value comes from; secrets are hidden."""
    # Imported here, so that other commands start without the folders of channels.
    from tocsin.wiring.channels import provider_rows

    loaded = load_config(config_file, data, port)
    rows = [
        (name, as_toml(setting, value_of(loaded.config, setting)), loaded.origins[name])
        for name, setting in settings().items()
        if not changed or loaded.changed(name)
    ]
    rows += [row for row in provider_rows(loaded.config) if not changed or row[2] != DEFAULT]
    rows += [
        (f"channels.{route.name}", show_route(route), _origin(table))
        for table in loaded.config.channels.values()
        for route in decode_routes(table)
    ]
    if as_json:
        print_json([{"name": n, "value": value, "origin": origin} for n, value, origin in rows])
    else:
        print_table(("setting", "value", "from"), rows)


def _origin(table: RawTable) -> str:
    return next((origin for _, _, origin in table.items()), "")

"""``tocsin migrate``: bring the files to this version's schema, with no server running."""

from __future__ import annotations

from pathlib import Path

import click

from tocsin.cli.options import config_options, load_config
from tocsin.cli.output import json_option, print_json


@click.command()
@config_options
@json_option
def migrate(config_file: Path | None, data: str | None, port: int | None, as_json: bool) -> None:
    """Bring the data folder to this version's schema; `tocsin up` does the same at its start."""
    loaded = load_config(config_file, data, port)
    from tocsin.wiring.migrating import migrate_folder

    steps = migrate_folder(loaded.config)
    if as_json:
        print_json({"applied": steps})
    elif steps:
        click.echo("\n".join(steps))
    else:
        click.echo("Nothing to do: the files have this version's schema.")

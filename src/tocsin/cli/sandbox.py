"""``tocsin sandbox``: the vendors of a sandbox, played in a process of their own."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tocsin.config import load


@click.command()
@click.option(
    "--config",
    "config_file",
    envvar="TOCSIN_CONFIG",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration file.",
)
@click.option(
    "--data", default="./sandbox", show_default=True, help="Folder of what the vendors are sent."
)
def sandbox(config_file: Path | None, data: str) -> int:
    """Play every vendor until told to stop; `tocsin up --sandbox FOLDER` sends through them."""
    loaded = load(config_file, os.environ, {"data": data})
    # Imported when needed: `tocsin sandbox --help` should not cost what a server costs.
    import uvloop

    from tocsin.roles.logs import set_up
    from tocsin.roles.vendors import serve_vendors

    set_up(loaded.config.logging)
    return uvloop.run(serve_vendors(loaded.config))

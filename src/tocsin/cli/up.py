"""``tocsin up``: all roles in one process."""

from __future__ import annotations

from pathlib import Path

import click

from tocsin.cli.options import config_options, load_config


@click.command()
@config_options
@click.option("--clock", help="Where a new sandbox's clock begins, like 2016-09-01.")
@click.option("--sandbox", help="Folder of a running `tocsin sandbox` to use (sandbox.folder).")
def up(
    config_file: Path | None,
    data: str | None,
    port: int | None,
    clock: str | None,
    sandbox: str | None,
) -> int:
    """Run everything in one process until it is told to stop."""
    own = {"sandbox.clock": clock, "sandbox.folder": sandbox}
    loaded = load_config(config_file, data, port, own)
    # Imported when needed: `tocsin up --help` should not cost what a server costs.
    import uvloop

    from tocsin.roles.everything import serve
    from tocsin.roles.logs import set_up

    set_up(loaded.config.logging)
    return uvloop.run(serve(loaded.config))

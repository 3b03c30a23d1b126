"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from tocsin.config import Loaded, load

Command = TypeVar("Command", bound=Callable[..., Any])


def config_options(command: Command) -> Command:
    """Give *command* what names the server's settings: ``config_file``, ``data`` and ``port``."""
    for option in (
        click.option("--port", type=int, help="Port to listen on (http.port)."),
        click.option("--data", help="Folder of all that is kept (data)."),
        click.option(
            "--config",
            "config_file",
            envvar="TOCSIN_CONFIG",
            type=click.Path(dir_okay=False, path_type=Path),
            help="The configuration file.",
        ),
    ):
        command = option(command)
    return command


def load_config(
    config_file: Path | None,
    data: str | None,
    port: int | None,
    own: Mapping[str, object] | None = None,
) -> Loaded:
    """
    The configuration of a command with `config_options`, from the process's environment.

    *own* are the values of flags that only this command has, by the names of their settings.
    """
    return load(config_file, os.environ, {"data": data, "http.port": port, **(own or {})})

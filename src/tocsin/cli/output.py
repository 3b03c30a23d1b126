"""Printing: one JSON document for machines, a plain table for people."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import click
import msgspec

Command = TypeVar("Command", bound=Callable[..., Any])

_WIDTH_WITHOUT_TERMINAL: Final = 200


def json_option(command: Command) -> Command:
    """Give *command* the option ``--json``, as its argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")(
        command
    )


def print_json(document: object) -> None:
    """Print *document*, made of plain values and Structs, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """
    Print *rows* below the names of *columns*, without lines, so that it can be grepped and cut.

    In a terminal long cells wrap; in a pipe the table is as wide as it needs to be.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, because a value may hold what rich would read as markup.
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    Console(width=width, highlight=False, soft_wrap=False).print(table)
